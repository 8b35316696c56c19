"""The page of what is trained on: tokens in order, and in colour what is learned."""

from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import small
from trivium.base.batch import collate
from trivium.base.types import IGNORE, Example, Message
from trivium.lab.inspect import examine
from trivium.lab.sheet import learned, told
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
