import pytest

from trivium.base.types import Message
from trivium.rows.record import Conversation, Record, answers_of, ended, merge

A, U, S = (lambda text, train=None, role=role: Message(role, text, train) for role in ("assistant", "user", "system"))


def test_turns_by_one_speaker_are_joined_unless_only_one_of_them_is_trained():
    assert merge([U("a"), U("b"), A("c"), A("d")]) == (U("a\nb"), A("c\nd"))
    assert merge([A("c"), A("d", False)]) == (A("c"), A("d", False))


def test_the_last_turn_is_the_answer_and_keeps_its_flag():
    assert ended([U("a"), A("b", True)], "x") == Conversation((U("a"),), ("b",), True)
    assert ended([U("a"), A("b", False)], "x").complete() == (U("a"), A("b", False))
    assert ended([U("a")], "x") == Conversation((U("a"),), ())
    with pytest.raises(ValueError, match="x: expected at least one turn"):
        ended([], "x")


def test_answers_are_one_or_several_and_never_blank():
    assert answers_of("a", "k") == ["a"] and answers_of(["a", "b"], "k") == ["a", "b"]
    for wrong, message in (([], "k: expected at least one"), (["a", " "], r"k\[1\]: expected some text"), ("", "k: ")):
        with pytest.raises(ValueError, match=message):
            answers_of(wrong, "k")


@pytest.mark.parametrize("kind", Record.kinds.values())
def test_every_format_says_what_it_needs(kind):
    assert kind.required() and set(kind.required()) <= set(kind.model_fields)
    assert kind.keys(kind.required()) == {key: key for key in kind.required()}
    assert kind.__doc__
