"""A text is traced to the documents that have it, through a tuned model to the data of its base."""

import io
import json
from pathlib import Path

import pytest

import small
from trivium.base.errors import DataError
from trivium.cli import run
from trivium.lab.trace import Tracer, trained_on

POEM = "The quick brown fox jumps over the lazy dog."
OTHER = "Nothing of this stands anywhere else <b>here</b>."


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data with an index, a model of a run on them, and a model tuned from that one."""
    folder = tmp_path_factory.mktemp("trace")
    source = folder / "text.jsonl"
    small.rows(source, [{"text": f"{POEM} Number {i}."} for i in range(3)] + [{"text": OTHER}])
    options = ["--tokenizer", "bytes", "--no-near", "--filter", "none", "--valid-share", "0", "--index"]
    assert run(["prepare", str(source), "-o", str(folder / "data"), *options]) == 0
    manifest = json.loads((folder / "data" / "manifest.json").read_text())
    made = small.model("llama")
    base = {"recipe": {"data": {"path": [str(folder / "data")]}}, "data": manifest["dataset_id"]}
    for name, record in {
        "base": base,
        "tuned": {"recipe": {"data": {"path": ["rows.jsonl"]}, "init": str(folder / "base")}, "data": "0"},
        "stale": {**base, "data": "0"},
    }.items():
        made.record = record
        made.save(folder / name)
    return folder


@pytest.mark.parametrize("name", ["base", "tuned"])
def test_the_data_are_those_that_the_base_was_trained_on(place: Path, name: str) -> None:
    assert trained_on(place / name) == [place / "data"]


def test_data_that_are_not_those_of_the_model_are_refused(place: Path) -> None:
    with pytest.raises(DataError, match=r"expected the data that .*stale was trained on, found other data; --data"):
        trained_on(place / "stale")
    assert Tracer(place / "stale", [place / "data"]).find(POEM)[0]


def test_a_model_that_says_nothing_of_its_data_asks_for_them(place: Path, tmp_path: Path) -> None:
    folder = small.folder(tmp_path, "llama")
    with pytest.raises(DataError, match="the data folders of this model are not there; name them by --data FOLDER"):
        trained_on(folder)


def test_parts_are_told_longest_first_with_their_documents(place: Path) -> None:
    text = f"{OTHER[:20]} -- {POEM}"
    found, pieces = Tracer(place / "base").find(text)
    assert [(one.text, one.times) for one in found] == [(POEM, 3), (OTHER[:20], 1)]
    assert found[0].places[0] == f"{place / 'text.jsonl'}, document 1, token 0"
    assert len(found[0].places) == 3
    assert [part for part, verbatim in pieces if verbatim] == [OTHER[:20], POEM]
    assert "".join(part for part, _ in pieces) == text


def test_the_command_prints_lines_and_writes_a_page(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    page = tmp_path / "trace.html"
    text = f"{OTHER} I wrote <i>this</i>"
    assert run(["trace", str(place / "base"), text, "--html", "-o", str(page)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{len(OTHER)} of {len(text)} characters (")
    assert lines[1].startswith(f"{len(OTHER)} tokens, once: '")
    html = page.read_text()
    assert "<mark>Nothing of this stands anywhere else &lt;b&gt;here&lt;/b&gt;.</mark>" in html
    assert "<i>" not in html and "<b>" not in html


def test_chat_marks_what_of_an_answer_is_in_the_data(
    place: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("hello\n"))
    assert run(["chat", str(place / "base"), "--max-new-tokens", "12", "--trace"]) == 0
    assert "are in runs of 8 or more tokens that stand in the data" in capsys.readouterr().out
