"""The page of what is trained on: tokens in order, and in colour what is learned."""

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import shapes
import small
from trivium.base.batch import collate
from trivium.base.types import IGNORE, Example, Message
from trivium.lab.inspect import examine
from trivium.lab.sheet import learned, told, write
from trivium.objective.instruct import Instruct
from trivium.task.finetune import recipe_for
from trivium.token.template import render
from trivium.token.tokenizer import Tokenizer

BYTES = Tokenizer.bytes()
TALK = (Message("user", "hi"), Message("assistant", "yo"))


def row(example: Example) -> object:
    return collate([[example]], BYTES.vocabulary.pad, 12)


class Tokens(HTMLParser):
    """The tokens of a page with their classes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, set[str], str]] = []
        self.about: dict[str, str | None] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.about = dict(attrs) if tag == "span" and "title" in dict(attrs) else None

    def handle_data(self, data: str) -> None:
        if self.about is not None:
            self.found.append((data, set(str(self.about["class"]).split()), str(self.about["title"])))
        self.about = None


@pytest.mark.parametrize("preset", ["llama", "t5"])
def test_a_page_marks_what_is_learned(preset: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = small.rows(tmp_path / "r.jsonl", [{"prompt": "<hi>", "completion": "yo"}] * 3)
    recipe = recipe_for("chat", small.folder(tmp_path, preset), [str(file)], overrides=["batch_tokens=64"])
    assert examine(recipe, 1, 0, tmp_path / "p.html") == 0
    page = Tokens()
    page.feed((tmp_path / "p.html").read_text())
    assert "".join(text for text, names, _ in page.found if "on" in names) == "yo<|end|>" * 3
    asked = [about for text, names, about in page.found if text == "h" and "user" in names]
    assert asked and "document 1, position 3" in asked[0]
    said = capsys.readouterr().out
    assert "masked" in said and "no row is cut or left out" in said and "of the places are padding" in said
    assert "100.0% of the rows hold several documents, 3.00 on average" in said


def test_what_is_learned_is_the_next_token_of_a_decoder_and_the_own_of_an_encoder() -> None:
    batch = row(Instruct().dialogue(render(TALK, BYTES)))
    tokens = batch.stream.ids[0]  # type: ignore[attr-defined]
    assert BYTES.decode(tokens[learned(batch)].tolist()) == "yo<|end|>"  # type: ignore[arg-type]
    gap = row(Example(enc=np.array([1, 5, 2]), targets={"token": np.array([IGNORE, 9, IGNORE])}))
    assert learned(gap).tolist()[:3] == [False, True, False]  # type: ignore[arg-type]


def test_labels_are_told_by_name() -> None:
    assert told("label", np.array(1), ("a", "b")) == "b" and told("start", np.array(3), ()) == "3"
    assert told("label", np.array([1, 0, 1]), ("a", "b", "c")) == "a and c"
    assert told("label", np.array([0, 0]), ("a", "b")) == "none"
    assert told("label", np.array([0.25], dtype=np.float32), ("a",)) == "0.25"


def drawn(tmp_path: Path, batch: object, labels: tuple[str, ...] = (), remarks: tuple[str, ...] = ()) -> str:
    roles = [""] * 12
    write(tmp_path / "p.html", [("row", batch, roles)], BYTES, [], [], labels, remarks)  # type: ignore[list-item]
    return (tmp_path / "p.html").read_text().split("<h2>")[-1]


def goals(text: str) -> list[str]:
    return re.findall(r'<span class="goal">\u2192 (.*?)</span>', text)


def test_targets_that_are_not_the_next_token_are_written_out(tmp_path: Path) -> None:
    a, b, c = BYTES.encode("abc")
    cut = Example(dec=np.array([1, a, b]), targets={"token": np.array([a, b, c])})
    assert goals(drawn(tmp_path, row(cut))) == ["c"]  # the row ends before the target of its last token
    other = Example(dec=np.array([c, a]), targets={"token": np.array([a, IGNORE])})  # begins with what is not its own
    assert goals(drawn(tmp_path, collate([[cut, other]], BYTES.vocabulary.pad, 12))) == ["c"]
    mask = BYTES.vocabulary.mask
    gap = Example(enc=np.array([1, mask, b]), targets={"token": np.array([IGNORE, b, b])})
    text = drawn(tmp_path, row(gap))
    assert goals(text) == ["b"] and f"must predict b (id {b})" in text
    tags = Example(enc=np.array([1, a]), targets={"tag": np.array([IGNORE, 1])})
    assert goals(drawn(tmp_path, row(tags), ("O", "X"))) == ["X"]


def test_each_token_has_a_border_and_bytes_stand_for_parts_of_characters(tmp_path: Path) -> None:
    ids = np.array([1, *BYTES.encode("\u5929")])
    text = drawn(tmp_path, row(Example(dec=ids, targets={"token": np.append(ids[1:], IGNORE)})))
    assert ">\\xe5</span>" in text and not {"\ufffd", "\u25ab"} & {*text}
    assert re.search(r"\.t {[^}]*border-right: 1px", (tmp_path / "p.html").read_text())


def test_the_page_tells_what_of_the_files_is_not_used(tmp_path: Path) -> None:
    file = small.rows(tmp_path / "r.jsonl", [{"prompt": "hi", "completion": "yo", "note": "n", "level": 1}] * 3)
    recipe = recipe_for("chat", small.folder(tmp_path, "llama"), [str(file)], overrides=["batch_tokens=64"])
    examine(recipe, 1, 0, tmp_path / "p.html")
    text = (tmp_path / "p.html").read_text()
    assert f"{file}: not used: level (3 rows), note (3 rows)" in text and "3 rows, read as" in text


def test_a_picture_stands_beside_its_tokens(tmp_path: Path) -> None:
    pytest.importorskip("PIL")
    files, base = shapes.world(tmp_path / "rows", 6), shapes.reader().save(tmp_path / "base")
    recipe = recipe_for("caption", base, [str(files["text"])], (), ["data.length=32"])
    assert examine(recipe, 1, 0, tmp_path / "page.html") == 0
    text = (tmp_path / "page.html").read_text()
    drawn, beside = text.count('<svg class="photo"'), text.count('<div class="beside">')
    assert drawn == beside >= 2  # a row holds several pictures
    tokens = Tokens()
    tokens.feed(text)
    trained = "".join(token for token, classes, _ in tokens.found if "on" in classes)
    assert re.fullmatch("(red|green|blue)+", trained)
    assert all("on" not in classes for token, classes, _ in tokens.found if token == "<pad>")
    assert text.count("&lt;/s&gt;") >= drawn  # each text's end is a target


def test_a_picture_stands_beside_its_label(tmp_path: Path) -> None:
    pytest.importorskip("PIL")
    files, base = shapes.world(tmp_path / "rows", 3), shapes.seer().save(tmp_path / "base")
    recipe = recipe_for("classify", base, [str(files["label"])])
    assert examine(recipe, 1, 0, tmp_path / "page.html") == 0
    found = re.findall(r"<p>label: (\w+)</p>", (tmp_path / "page.html").read_text())
    assert sorted(found) == sorted(shapes.COLOURS)
