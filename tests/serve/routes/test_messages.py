"""Anthropic's form: the answer of chat, its events in their order, and each field honoured or refused."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from serving import CHAT, catalog, post, tiny
from trivium.base.types import Message
from trivium.serve.served import Catalog

ASK = {**CHAT, "temperature": 0}


@pytest.fixture(scope="module")
def made() -> Iterator[Catalog]:
    with catalog({"llama": tiny(layers=1)}) as found:
        yield found


def said(made: Catalog, **changes: Any) -> Any:
    answer = post(made, "/v1/messages", {**ASK, **changes})
    assert answer.status_code == 200, answer.text
    return answer.json()


def events(made: Catalog, **changes: Any) -> list[dict[str, Any]]:
    answer = post(made, "/v1/messages", {**ASK, "stream": True, **changes})
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/event-stream")
    pairs = [one.split("\n") for one in answer.text.removesuffix("\n\n").split("\n\n")]
    found = [json.loads(data.removeprefix("data: ")) for _, data in pairs]
    assert [name.removeprefix("event: ") for name, _ in pairs] == [one["type"] for one in found]
    return found


def test_an_answer_is_that_of_chat(made: Catalog) -> None:
    model = made.served["llama"].model
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi there"}]
    blocks = [
        {"type": "text", "text": "hi "},
        {"type": "text", "text": "there", "cache_control": {"type": "ephemeral"}},
    ]
    found = said(made, system="Be brief.", messages=[{"role": "user", "content": blocks}])
    assert found["content"] == [{"type": "text", "text": model.chat(turns, 8)}]
    assert (found["type"], found["role"], found["model"]) == ("message", "assistant", "llama")
    assert (found["stop_reason"], found["stop_sequence"]) == ("max_tokens", None)
    usage = found["usage"]
    chat = model.conversation(8)
    chat.history = [Message(**one) for one in turns]
    assert (
        usage["input_tokens"] + usage["cache_read_input_tokens"] == len(chat.prompt()) and usage["output_tokens"] == 8
    )


def test_the_events_come_in_their_order(made: Catalog) -> None:
    found = events(made)
    kinds = [one["type"] for one in found]
    pieces = kinds.count("content_block_delta")
    assert kinds == [
        "message_start",
        "content_block_start",
        *["content_block_delta"] * pieces,
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    text = "".join(one["delta"]["text"] for one in found if one["type"] == "content_block_delta")
    assert text == made.served["llama"].model.chat(CHAT["messages"], 8)
    assert found[0]["message"]["content"] == [] and found[-2]["usage"] == {"output_tokens": 8}
    assert found[-2]["delta"] == {"stop_reason": "max_tokens", "stop_sequence": None}


def test_the_stop_that_cut_the_text_is_named(made: Catalog) -> None:
    model = made.served["llama"].model
    turns = [{"role": "user", "content": "b"}]
    whole = model.chat(turns, 8)
    mark = next(char for char in whole[2:] if char.isascii())
    found = said(made, messages=turns, stop_sequences=["never there", mark])
    assert found["content"][0]["text"] == whole[: whole.index(mark)]
    assert (found["stop_reason"], found["stop_sequence"]) == ("stop_sequence", mark)
    assert events(made, messages=turns, stop_sequences=[mark])[-2]["delta"]["stop_sequence"] == mark


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_tokens": None}, "max_tokens: expected"),
        ({"max_tokens": 5000}, "max_tokens: expected at most 128"),
        ({"temperature": 1.5}, "temperature"),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, "thinking"),
        ({"n": 2}, "n: this field is not known"),
        ({"messages": [*CHAT["messages"], {"role": "assistant", "content": "I"}]}, "an answer cannot be begun"),
        ({"messages": [{"role": "user", "content": [{"type": "image", "source": {}}]}]}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "a", "name": "b"}]}]}, "has text"),
        ({"tools": [{"name": "f", "input_schema": {"type": "object"}}]}, "cannot call tools"),
        ({"tools": [{"name": "", "input_schema": {"type": "object"}}]}, "tools.0.name"),
    ],
)
def test_what_is_not_honoured_is_refused_in_their_form(made: Catalog, changes: dict, message: str) -> None:
    answer = post(made, "/v1/messages", {**ASK, **changes})
    error = answer.json()
    assert answer.status_code == 400 and error["type"] == "error", error
    assert error["error"]["type"] == "invalid_request_error" and message in error["error"]["message"]
    assert post(made, "/v1/messages", {**ASK, "model": "none"}).json()["error"]["type"] == "not_found_error"
