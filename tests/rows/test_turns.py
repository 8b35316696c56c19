"""Turns of a conversation in the forms in which people write them."""

import pytest

from trivium.base.types import Message
from trivium.rows.turns import NAMELESS, STRANGERS, history_of, merge, turns_of, unread, with_tools

SAID = [Message("user", "a"), Message("assistant", "b")]


@pytest.mark.parametrize(
    "given",
    [
        [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
        [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}],
        [{"speaker": "USER", "text": "a"}, {"speaker": "ASSISTANT", "text": "b"}],
        [{"role": "user", "content": [{"type": "input_text", "text": "a"}]}, {"role": "model", "content": "b"}],
        [{"human": "a", "assistant": "b"}],
        [{"author": "Customer", "utterance": "a"}, {"author": "Agent", "utterance": "b"}],
        ["a", "b"],
        [{"speaker": "Ann", "text": "a"}, {"speaker": "Bob", "text": "b"}],
    ],
)
def test_every_form_of_turns_is_read_alike(given):
    assert turns_of(given, "t", {})[0] == SAID


def test_a_guess_is_told_and_speakers_override_it():
    talk = [{"speaker": name, "text": "x"} for name in ("ann", "bob", "ann")]
    turns, remarks = turns_of(talk, "t", {})
    assert [one.role for one in turns] == ["user", "assistant", "user"]
    assert remarks == [STRANGERS]
    turns, remarks = turns_of(talk, "t", {"Ann": "assistant", "bob": "user"})
    assert [one.role for one in turns] == ["assistant", "user", "assistant"] and not remarks
    assert turns_of(["a"], "t", {})[1] == [NAMELESS]
    for wrong in (("ann", "bob", "eve"), ("ann", "user"), ("ann",)):
        with pytest.raises(ValueError, match=r"t\[\d\]\.speaker: expected one of user, .* `speakers`"):
            turns_of([{"speaker": name, "text": "x"} for name in wrong], "t", {})


def test_thoughts_stay_beside_the_answer_and_join():
    given = [{"role": "assistant", "reasoning_content": "r", "content": "a"}]
    given += [
        {"role": "assistant", "thinking": "s", "content": "b"},
        {"role": "user", "reasoning": "no", "content": "c"},
    ]
    turns, _ = turns_of(given, "t", {})
    assert [one.reasoning for one in turns] == ["r", "s", None]
    assert merge(turns)[0] == Message("assistant", "a\nb", None, "r\ns")


def test_keys_of_turns_that_are_not_read():
    turn = {"role": "user", "content": "a", "id": 3, "images": ["x"], "name": None, "weight": 0.5, "train": True}
    assert sorted(unread([turn, {"role": "user", "content": "b", "weight": 1}])) == ["id", "images", "weight"]
    assert list(unread("text")) == list(unread(None)) == []


def test_history_is_pairs_or_turns():
    assert (
        history_of([["a", "b"]])
        == SAID
        == history_of([{"role": "user", "content": "a"}, {"from": "gpt", "value": "b"}])
    )
    with pytest.raises(ValueError, match=r"history\[0\]: expected \[question, answer\]"):
        history_of("earlier")


def test_an_old_call_of_a_function_is_a_call():
    call = {"name": "add", "arguments": '{"a": 1}'}
    turns, _ = turns_of([{"role": "assistant", "content": None, "function_call": call}], "t", {})
    assert turns[0].content == '<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>'
    with pytest.raises(ValueError, match="tools: expected a list"):
        with_tools(SAID, 3)
