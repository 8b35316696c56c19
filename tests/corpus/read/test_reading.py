from collections import Counter
from pathlib import Path

import pytest

from texts import texts, write
from trivium.base.errors import DataError
from trivium.corpus.read.reading import Reading, kind


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


def test_a_broken_row_stops_the_reading_or_is_counted():
    counts: Counter[str] = Counter()
    with pytest.raises(DataError, match="here: bad"):
        Reading().reject("here: bad", "row", counts)
    Reading(broken="drop").reject("here: bad", "row", counts)
    assert counts == {"row, dropped": 1}
