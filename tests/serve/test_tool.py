"""Tools are shown as rows of training show them, or as the chat template does, and calls are found in any pieces."""

import json
from typing import Any

import pytest

from serving import CHAT, catalog, post, tiny
from trivium.api import Model
from trivium.base.types import Message
from trivium.rows.kinds.dialogue import Messages
from trivium.rows.turns import with_tools
from trivium.serve.error import ApiError
from trivium.serve.tool import Call, Function, Said, Speech, Tools, messages_of, tools_of

PARAMETERS = {
    "type": "object",
    "properties": {"x": {"type": "integer", "minimum": 0, "maximum": 9}},
    "required": ["x"],
    "additionalProperties": False,
}
TOOL = {"type": "function", "function": {"name": "add", "description": "Add one.", "parameters": PARAMETERS}}
CALL = '<tool_call>\n{"name": "add", "arguments": {"x": 1}}\n</tool_call>'


def tuned() -> Model:
    model = tiny(context=1024)
    model.record["recipe"] = {"objective": {"kind": "instruct"}}
    return model


def functions(*names: str, **more: Any) -> list[Function]:
    return [Function(name=name, parameters=PARAMETERS, **more) for name in names]


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_words_and_calls_are_told_apart_in_any_pieces(size: int) -> None:
    text = f"I add.\n{CALL}\n{CALL} So < it <tool_c is.\n"
    speech, found = Speech(["add"]), list[Any]()
    for at in range(0, len(text), size):
        found += speech.push(text[at : at + size], at + size >= len(text))
    calls = [one for one in found if isinstance(one, Call)]
    assert [(one.name, json.loads(one.arguments)) for one in calls] == [("add", {"x": 1})] * 2
    assert calls[0].id != calls[1].id and speech.called
    assert "".join(one for one in found if isinstance(one, str)) == "I add. So < it <tool_c is."


@pytest.mark.parametrize(
    "text",
    [
        "<tool_call>\n{no}\n</tool_call> a",
        '<tool_call>\n{"name": "other", "arguments": {}}\n</tool_call>',
        '<tool_call>\n{"name": "add", "arguments": [1]}\n</tool_call>',
        '<tool_call>\n{"name": "add", "argum',
        " words \n",
        "\n",
    ],
)
@pytest.mark.parametrize("size", [1, 1000])
def test_what_is_no_call_stays_as_it_is(text: str, size: int) -> None:
    speech = Speech(["add"])
    found = [p for at in range(0, len(text), size) for p in speech.push(text[at : at + size], at + size >= len(text))]
    assert "".join(map(str, found)) == text and not speech.called
    assert "".join(map(str, Speech([]).push(CALL, True))) == CALL, "without tools all is words"


def test_a_tuned_model_is_asked_as_its_rows_were() -> None:
    turns = [
        Said("system", "Be brief."),
        Said("user", "add one and two"),
        Said("assistant", "I add.", (Call("add", '{"x": 1}', "a"), Call("add", '{"x": 2}', "b"))),
        Said("tool", "three", call="b"),
        Said("tool", "two", call="a"),
    ]
    calls = [{"function": {"name": "add", "arguments": f'{{"x": {x}}}'}} for x in (1, 2)]
    row = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "add one and two"},
        {"role": "assistant", "content": "I add.", "tool_calls": calls},
        {"role": "tool", "content": "two"},
        {"role": "tool", "content": "three"},
        {"role": "assistant", "content": "done"},
    ]
    want = with_tools(Messages(messages=tuple(row)).chat({}).messages, [TOOL])
    made = messages_of(tuned(), turns, tools_of([Function(**TOOL["function"])]))
    assert made == list(want) and made[-1].content == (
        "<tool_response>\ntwo\n</tool_response>\n<tool_response>\nthree\n</tool_response>"
    )


def test_a_conversation_without_tools_stays_as_it_is() -> None:
    assert messages_of(tiny(), [Said("user", "a"), Said("user", "b")], Tools()) == [Message("user", x) for x in "ab"]


def test_what_cannot_be_honoured_is_refused() -> None:
    assert tools_of(functions("f", "g"), "none") == Tools()
    assert tools_of(functions("f", "g"), "=g").must == ("g",) and tools_of(functions("f"), "required").must == ("f",)
    wrong: list[Any] = [
        (lambda: tools_of(functions("f", "f")), "two have the name"),
        (lambda: tools_of(functions("f"), "=g"), "there is no tool 'g'"),
        (lambda: tools_of([], "required"), "there is no tool"),
        (lambda: tools_of(functions("f", strict=True)), "strict"),
        (lambda: messages_of(tiny(), [Said("user", "a")], tools_of(functions("f"))), "cannot call tools"),
        (lambda: messages_of(tuned(), [Said("user", "a"), Said("tool", "b", call="c")], Tools()), "the call 'c'"),
    ]
    for act, message in wrong:
        with pytest.raises(ApiError, match=message):
            act()


def test_a_tool_that_has_to_be_called_is_called_over_http() -> None:
    pytest.importorskip("llguidance")
    body = {**CHAT, "tools": [TOOL], "tool_choice": "required", "max_tokens": 200, "temperature": 0}
    anthropic = {
        **{key: body[key] for key in ("model", "messages", "max_tokens", "temperature")},
        "tools": [{"name": "add", "input_schema": PARAMETERS}],
        "tool_choice": {"type": "tool", "name": "add"},
    }
    responses = {
        "model": "llama",
        "input": "hi",
        "tools": [{"type": "function", **TOOL["function"]}],
        "tool_choice": {"type": "function", "name": "add"},
        "temperature": 0,
    }
    with catalog({"llama": tuned()}) as made:
        whole = post(made, "/v1/chat/completions", body).json()["choices"][0]
        stream = post(made, "/v1/chat/completions", {**body, "stream": True}).text
        message = post(made, "/v1/messages", anthropic).json()
        response = post(made, "/v1/responses", responses).json()
    (call,) = whole["message"]["tool_calls"]
    assert whole["finish_reason"] == "tool_calls" and whole["message"]["content"] is None
    arguments = json.loads(call["function"]["arguments"])
    assert call["function"]["name"] == "add" and 0 <= arguments["x"] <= 9
    chunks = [json.loads(one.removeprefix("data: ")) for one in stream.split("\n\n") if one and "[DONE]" not in one]
    deltas = [one["choices"][0]["delta"] for one in chunks]
    (piece,) = [one["tool_calls"][0] for one in deltas if "tool_calls" in one]
    assert piece["index"] == 0 and piece["function"] == call["function"]
    assert [one["choices"][0]["finish_reason"] for one in chunks][-1] == "tool_calls"
    assert message["stop_reason"] == "tool_use" and message["content"][0]["type"] == "tool_use"
    assert message["content"][0]["name"] == "add" and set(message["content"][0]["input"]) == {"x"}
    (item,) = response["output"]
    assert (item["type"], item["name"], response["status"]) == ("function_call", "add", "completed")
    assert 0 <= json.loads(item["arguments"])["x"] <= 9
