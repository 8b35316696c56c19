import json

import pytest

from trivium.base.types import Document
from trivium.data.dropped import dropping, place


def test_what_is_dropped_is_counted_and_written_with_its_reason(tmp_path):
    with dropping(tmp_path / "new" / "x.jsonl") as dropped:
        dropped.add(Document("one\n中", "1", "a.txt"), "empty")
        dropped.add(Document("half \ud800", "2"), "near duplicate", "near duplicate of a.txt:1")
        dropped.add(Document("", "3"), "empty")
        assert not (tmp_path / "new" / "x.jsonl").exists()
    assert dropped.counts == {"empty": 2, "near duplicate": 1}
    assert [json.loads(line) for line in (tmp_path / "new" / "x.jsonl").read_text().splitlines()] == [
        {"reason": "empty", "source": "a.txt", "id": "1", "text": "one\n中"},
        {"reason": "near duplicate", "detail": "near duplicate of a.txt:1", "id": "2", "text": "half ?"},
        {"reason": "empty", "id": "3", "text": ""},
    ]


def test_nothing_is_left_of_a_run_that_failed(tmp_path):
    with pytest.raises(ValueError), dropping(tmp_path / "x.jsonl") as dropped:
        dropped.add(Document("a", "1"), "empty")
        raise ValueError
    assert list(tmp_path.iterdir()) == []


def test_without_a_file_it_only_counts():
    with dropping(None) as dropped:
        dropped.add(Document("a", "1"), "empty")
    assert dropped.counts["empty"] == 1


def test_a_folder_stands_for_a_file_in_it(tmp_path):
    (tmp_path / "v1.0").mkdir()
    assert place(tmp_path / "out") == tmp_path / "out" / "dropped.jsonl"
    assert place(tmp_path / "v1.0") == tmp_path / "v1.0" / "dropped.jsonl"
    assert place(tmp_path / "bad.jsonl") == tmp_path / "bad.jsonl"
