"""What is special about a row is not in the reason under which it is counted."""

from trivium.rows.mistake import hint, preferred, reason


def test_reasons_name_no_row():
    assert reason("image pics/a.png: expected a whole picture, found a broken one: x") == (
        "image: expected a whole picture"
    )
    assert reason("turns[3].role: expected one of a, b, found 'c'; `speakers` gives it a role") == (
        "turns[].role: expected one of a, b"
    )
    assert reason("expected the keys {a} of x rows, found {b}; 'a' is missing") == "its keys {b} do not fit"


def test_hints():
    assert "may be no header" in hint({"a": 1}, "rows.csv", True, True)
    assert hint({"a": 1}, "rows.jsonl", True, True) == "" == preferred(["chosen"])
    assert "task prefer" in hint({"chosen": 1, "rejected": 2}, "rows.jsonl", False, True)
