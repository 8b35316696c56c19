import pytest

from talk import parse
from trivium.base.errors import DataError
from trivium.base.types import Message
from trivium.rows.read import RowReading

CHAT = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}, {"role": "user", "content": "r"}]


def asked(row, **options):
    return parse(row, "f:1", RowReading(**options)).messages[-1].content


def test_a_question_needs_no_context():
    assert asked({"question": "q", "answer": "a"}) == "q"
    assert asked({"question": "q", "answer": "a", "context": None}) == "q"


def test_alpaca():
    assert parse({"instruction": "i", "input": "x", "output": "o"}, "f:1").references == ("o",)
    assert asked({"instruction": "i", "input": "x", "output": "o"}) == "i\n\nx"
    assert asked({"instruction": "i", "output": ["o", "p"]}) == "i"
    book = {"instruction": "i", "input": "", "output": "o", "chosen": "o", "rejected": "p"}
    assert parse(book, "f:1").references == ("o",)


def test_completions_are_texts_or_messages():
    assert parse({"prompt": "p", "completion": "c"}, "f:1").messages == (Message("user", "p"),)
    found = parse({"prompt": CHAT, "completion": [{"role": "assistant", "content": "b"}]}, "f:1")
    assert found.references == ("b",) and [m.train for m in found.messages] == [False] * 3
    assert parse({"prompt": CHAT, "completion": "b"}, "f:1").references == ("b",)
    for row in ({"prompt": CHAT, "completion": ["b"]}, {"prompt": "p", "completion": CHAT}):
        with pytest.raises(DataError, match="f:1: completion: expected"):
            parse(row, "f:1")
