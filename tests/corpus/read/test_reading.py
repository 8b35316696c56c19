from collections import Counter
from pathlib import Path

import pytest

from texts import texts, write
from trivium.base.config import parse
from trivium.base.errors import ConfigError, DataError
from trivium.corpus.read.reading import Reading, advice, kind, not_read


def test_a_key_may_be_chosen(tmp_path):
    rows = write(tmp_path / "a.jsonl", '{"text": "no", "body": "yes"}')
    assert texts(rows, text_key="body") == ["yes"]
    with pytest.raises(DataError, match='expected the key "corpse", found'):
        texts(rows, text_key="corpse")


@pytest.mark.parametrize(
    ("name", "found"),
    [("a.TXT", ".txt"), ("b.jsonl.gz", ".jsonl"), ("c.HTML.zst", ".html"), ("d.parquet", ".parquet")]
    + [(name, "") for name in ("e.parquet.gz", "f.png", "g", "h.gz", ".txt")],
)
def test_the_kind_of_a_file_is_its_suffix_without_compression(name, found):
    assert kind(Path(name)) == found


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("a.rst", ".txt"),
        ("b.RST.gz", ".txt"),
        ("c.html", ".txt"),
        ("Makefile", ".txt"),
        ("rst", ".txt"),
        ("d.md", ".md"),
        ("e.py", ""),
        ("readme", ""),
    ],
)
def test_more_kinds_are_plain_text_where_a_person_says_so(name, found):
    reading = Reading(as_text=("rst", ".HTML", "makefile"))
    assert kind(Path(name), reading.as_text) == found
    assert parse(Reading, {"as_text": "rst,html, Makefile"}, "prepare") == reading


@pytest.mark.parametrize("wrong", ["gz", "parquet", "rst,,py", ""])
def test_what_is_no_kind_of_text_is_refused(wrong):
    with pytest.raises(ConfigError, match="as_text: expected kinds of text files"):
        parse(Reading, {"as_text": wrong}, "prepare")


def test_files_that_are_not_read_are_counted_by_kind():
    paths = [Path(name) for name in ("a.py", "b.PY", "c.py.gz", "d.rst", "LICENSE")]
    assert not_read(paths) == {"not read: .py file": 3, "not read: .rst file": 1, "not read: file without a suffix": 1}
    assert advice(paths) == "--as-text license,py,rst for files of text (py 3, rst 1, license 1)"
    assert "and 4 kinds more" in advice([Path(f"a.x{i}") for i in range(12)])


def test_the_first_key_that_a_row_has_counts(tmp_path):
    rows = write(tmp_path / "a.jsonl", '{"text": "a", "title": "b"}\n{"title": "c"}\n')
    assert texts(rows, text_key="text,title") == ["a", "c"]


def test_a_broken_row_stops_the_reading_or_is_counted():
    counts: Counter[str] = Counter()
    with pytest.raises(DataError, match="here: bad"):
        Reading().reject("here: bad", "row", counts)
    Reading(broken="drop").reject("here: bad", "row", counts)
    assert counts == {"not read: row": 1}
