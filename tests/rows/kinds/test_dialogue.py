import pytest

from talk import parse
from trivium.base.errors import DataError
from trivium.base.types import Message
from trivium.rows.read import RowReading

TOOLS = [{"name": "add", "parameters": {"type": "object"}}]


def roles(row, **options):
    return [m.role for m in parse(row, "f:1", RowReading(**options)).complete()]


def dialogue(*names, key="turns"):
    return {key: [{"speaker": name, "text": f"t{i}", "calls": []} for i, name in enumerate(names)]}


def messages(*turns, **more):
    return {"messages": [{"role": role, "content": text} for role, text in turns], **more}


def shared(*turns, **more):
    return {"conversations": [{"from": who, "value": text} for who, text in turns], **more}


def test_system_is_who_answers_where_user_and_system_take_turns():
    assert roles(dialogue("user", "system", "user", "system")) == ["user", "assistant"] * 2
    assert roles({**dialogue("user", "system", "user", key="dialogue"), "response": "x"}) == ["user", "assistant"] * 2
    talk = parse(dialogue("user", "system", "user", "system"), "f:1")
    assert talk.references == ("t3",) and talk.messages[1] == Message("assistant", "t1")


@pytest.mark.parametrize(
    "names",
    [
        ("system", "user"),
        ("user", "user", "system"),
        ("user", "system", "assistant", "user"),
        ("system", "user", "system"),
    ],
)
def test_anywhere_else_system_sets_the_scene(names):
    assert "system" in roles({**dialogue(*names), "response": "x"})


def test_speakers_may_be_named():
    row = dialogue("user", "system", "user", "clerk")
    with pytest.raises(DataError, match=r"turns\[3\].speaker: expected one of user, .*, found 'clerk'; `speakers`"):
        roles(row)
    assert roles(row, speakers={"Clerk": "assistant"}) == ["user", "system", "user", "assistant"]
    taking = {**dialogue("user", "system", "user"), "response": "x"}
    assert roles(taking, speakers={"system": "system"}) == ["user", "system", "user", "assistant"]
    assert roles(dialogue("system", "user", "system"), speakers={"system": "assistant"}) == [
        "assistant",
        "user",
        "assistant",
    ]


def test_messages():
    row = messages(("system", ""), ("developer", "s"), ("user", "q"), ("user", "r"), ("assistant", "a"))
    found = parse(row, "f:1")
    assert found.messages == (Message("system", "s"), Message("user", "q\nr")) and found.references == ("a",)
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert parse(messages(("user", parts), ("assistant", "x")), "f:1").messages[0].content == "ab"


def test_a_flag_says_of_one_turn_whether_it_is_trained():
    row = messages(("user", "q"), ("assistant", "a"), ("user", "q"), ("assistant", "b"))
    row["messages"][1]["train"] = False
    row["messages"][3]["weight"] = 0
    assert [m.train for m in parse(row, "f:1").complete()] == [None, False, None, False]
    row["messages"][3]["weight"] = 1.0
    assert parse(row, "f:1").complete()[-1].train is True


def test_tools_become_text():
    call = {"id": "1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
    row = messages(("system", "Be brief."), ("user", "1+1"), tools=TOOLS)
    row["messages"] += [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": "2"},
        {"role": "assistant", "content": "two"},
    ]
    found = parse(row, "f:1").complete()
    assert [m.role for m in found] == ["system", "user", "assistant", "user", "assistant"]
    assert found[0].content.startswith('Be brief.\n\nYou may call these tools:\n<tools>\n{"name": "add"')
    assert found[2].content == '<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>'
    assert found[3].content == "<tool_response>\n2\n</tool_response>"


def test_sharegpt_with_tools_says_the_same():
    row = shared(
        ("human", "1+1"),
        ("function_call", '{"name": "add"}'),
        ("observation", "2"),
        ("gpt", "two"),
        tools='[{"name": "add"}]',
        system="S",
    )
    found = parse(row, "f:1").complete()
    assert [m.role for m in found] == ["system", "user", "assistant", "user", "assistant"]
    assert found[0].content.startswith("S\n\nYou may") and '{"name": "add"}' in found[0].content
    assert found[2].content == '<tool_call>\n{"name": "add"}\n</tool_call>'
    assert parse(shared(("human", "a"), ("gpt", "b"), tools="", system=""), "f:1").messages == (Message("user", "a"),)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (messages(), "messages: expected at least one turn, found none"),
        (messages(("user", "q")), "messages: expected the assistant's answer at the end, found a turn of the user"),
        (messages(("user", "q"), ("assistant", " ")), "messages[1].content: expected some text"),
        (messages(("user", "q"), ("narrator", "x")), "messages[1].role: expected one of"),
        (messages(("user", [{"type": "image_url"}]), ("assistant", "a")), "expected a part of type text"),
        ({"messages": [{"content": "x"}]}, "messages[0].role: required"),
        ({"messages": "hi"}, "messages: expected a list"),
        (shared(("human", "q"), ("gpt", "")), "conversations[1].value: expected some text"),
        (shared(("human", "q"), ("gpt", "a"), tools="{nonsense"), "tools: expected a list, or JSON of one"),
        ({"conversations": [{"value": "x"}]}, "conversations[0].from: required"),
        ({**shared(("human", "q")), "chosen": {}, "rejected": {}}, "prefer"),
    ],
)
def test_what_does_not_fit_is_one_line(row, message):
    with pytest.raises(DataError) as error:
        parse(row, "rows.jsonl:12")
    assert str(error.value).startswith("rows.jsonl:12: ") and message in str(error.value)
    assert "\n" not in str(error.value)
