"""Pairs of answers: texts or messages, and only the answers are trained."""

from collections import Counter

import pytest

from layouts import BYTES, layout
from talk import record
from trivium.base.errors import DataError
from trivium.base.types import IGNORE, Message
from trivium.rows.kinds.preference import Preference


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"prompt": "p", "chosen": " ", "rejected": "b"}, "chosen: expected an answer of the assistant"),
        ({"chosen": "a", "rejected": "b"}, "prompt: expected some text, found none"),
        ({"prompt": [{"role": "user"}], "chosen": "a", "rejected": "b"}, r"prompt\[0\].content: required"),
    ],
)
def test_a_wrong_row_is_one_clear_line(row, message):
    with pytest.raises(DataError, match=message):
        record(Preference, row)


def test_pairs_of_answers_come_as_texts_or_messages():
    plain = record(Preference, {"instruction": "Say.", "input": "now", "chosen": "a", "rejected": "b"}).messages
    assert plain == ((Message("user", "Say.\n\nnow"),), "a", "b")
    turns = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
    whole = {"prompt": "q", "chosen": turns, "rejected": [turns[0], {"role": "assistant", "content": "b"}]}
    assert record(Preference, whole).messages == ((Message("user", "q"),), "a", "b")
    with pytest.raises(DataError, match="expected the same messages before the last"):
        record(Preference, {**whole, "rejected": [{"role": "user", "content": "z"}, turns[1]]})


def test_of_a_pair_only_the_answers_are_trained():
    prompt = [("user", "q"), ("assistant", "old"), ("user", "r")]
    one = Preference(prompt=[{"role": role, "content": text} for role, text in prompt], chosen="yes", rejected="no")
    counts = Counter()
    for example, said in zip(one.examples(layout(family="decoder"), None, None, counts), ("yes", "no"), strict=True):
        trained = example.targets["token"][example.targets["token"] != IGNORE].tolist()
        assert BYTES.decode(trained) == f"{said}<|end|>"
    assert one.examples(layout(10, "decoder"), None, None, counts) == [] and counts == {"longer than 10 tokens": 1}
