import io
import json

from trivium.base.types import Document
from trivium.corpus.dropped import EXAMPLE_CHARS, Dropped, place


def test_what_is_dropped_is_counted_and_written_with_its_reason():
    dropped = Dropped(handle=io.BytesIO())
    dropped.add(Document("one\n中", "1", "a.txt"), "empty")
    dropped.add(Document("half \ud800", "2"), "near duplicate", "near duplicate of a.txt:1")
    dropped.add(Document("", "3"), "empty")
    assert dropped.counts == {"empty": 2, "near duplicate": 1}
    assert [json.loads(line) for line in dropped.handle.getvalue().splitlines()] == [
        {"reason": "empty", "source": "a.txt", "id": "1", "text": "one\n中"},
        {"reason": "near duplicate", "detail": "near duplicate of a.txt:1", "id": "2", "text": "half ?"},
        {"reason": "empty", "id": "3", "text": ""},
    ]


def test_a_few_of_each_reason_are_kept_short_as_examples():
    dropped = Dropped()
    for number in range(5):
        dropped.add(Document(f"{number}\ud800" + "x" * 1000, str(number), "a.txt"), "long", "too")
    assert [one["id"] for one in dropped.examples["long"]] == ["0", "1", "2"] and dropped.counts["long"] == 5
    assert dropped.examples["long"][0]["text"].startswith("0?x") and dropped.examples["long"][0]["detail"] == "too"
    assert all(len(one["text"]) == EXAMPLE_CHARS + 4 for one in dropped.examples["long"])
    json.dumps(dropped.examples).encode()


def test_a_folder_stands_for_a_file_in_it(tmp_path):
    (tmp_path / "v1.0").mkdir()
    assert place(tmp_path / "out") == tmp_path / "out" / "dropped.jsonl"
    assert place(tmp_path / "v1.0") == tmp_path / "v1.0" / "dropped.jsonl"
    assert place(tmp_path / "bad.jsonl") == tmp_path / "bad.jsonl"
