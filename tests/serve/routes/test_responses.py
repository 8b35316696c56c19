"""Responses: the answer of chat for openai's client, whole and in events, and each field honoured or refused."""

from collections.abc import Iterator
from typing import Any

import pytest
from openai import OpenAI

from serving import CHAT, behind_a_socket, catalog, post
from trivium.serve.served import Catalog

ASK = {"model": "llama", "input": "hi", "max_output_tokens": 8, "temperature": 0}
SCHEMA = {
    "type": "object",
    "properties": {"age": {"type": "integer", "minimum": 0, "maximum": 9}},
    "required": ["age"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def made() -> Iterator[Catalog]:
    with catalog() as found:
        yield found


def said(made: Catalog, **changes: Any) -> dict[str, Any]:
    answer = post(made, "/v1/responses", {**ASK, **changes})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_an_answer_is_that_of_chat(made: Catalog) -> None:
    model = made.served["llama"].model
    found = said(made)
    assert found["output"][0]["content"][0]["text"] == model.chat(CHAT["messages"], 8)
    assert (found["status"], found["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    usage = found["usage"]
    assert usage["output_tokens"] == 8 and usage["total_tokens"] == usage["input_tokens"] + 8
    parts = [{"type": "input_text", "text": "h"}, {"type": "input_text", "text": "i"}]
    items = [
        {"role": "user", "content": parts},
        {"type": "message", "role": "assistant", "id": "msg_1", "status": "completed", "content": "yes"},
        {"role": "user", "content": "go on"},
    ]
    turns = [{"role": one["role"], "content": text} for one, text in zip(items, ("hi", "yes", "go on"), strict=True)]
    turns.insert(0, {"role": "system", "content": "Be brief."})
    found = said(made, input=items, instructions="Be brief.", store=False)
    assert found["output"][0]["content"][0]["text"] == model.chat(turns, 8) and found["store"] is False


def test_the_client_of_openai_gets_the_same_whole_and_in_events(made: Catalog) -> None:
    want = made.served["llama"].model.chat(CHAT["messages"], 8)
    with behind_a_socket(made) as address, OpenAI(base_url=f"{address}/v1", api_key="none") as client:
        assert client.responses.create(**ASK).output_text == want
        with client.responses.stream(**ASK) as stream:
            found = list(stream)
        assert found[-1].response.output_text == want
        kinds = [one.type.removeprefix("response.") for one in found]
        pieces = kinds.count("output_text.delta")
        assert kinds == [
            "created",
            "in_progress",
            "output_item.added",
            "content_part.added",
            *["output_text.delta"] * pieces,
            "output_text.done",
            "content_part.done",
            "output_item.done",
            "incomplete",
        ]
        assert [one.sequence_number for one in found] == list(range(len(found)))


def test_an_answer_has_the_form_that_was_asked_for(made: Catalog) -> None:
    pytest.importorskip("llguidance")
    form = {"format": {"type": "json_schema", "name": "person", "schema": SCHEMA, "strict": True}}
    found = said(made, text=form, max_output_tokens=64)
    assert found["status"] == "completed" and found["text"] == form
    assert found["output"][0]["content"][0]["text"].replace(" ", "").replace("\n", "")[:-2] == '{"age":'


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"background": True}, "background"),
        ({"store": True}, "store"),
        ({"truncation": "auto"}, "truncation"),
        ({"max_output_tokens": 999}, "max_output_tokens: expected at most 128"),
        ({"tools": [{"type": "web_search"}]}, "tools"),
        ({"tools": [{"type": "function", "name": "f", "parameters": {}}]}, "cannot call tools"),
        ({"input": [{"type": "reasoning", "summary": []}]}, "input"),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "http://x"}]}]}, "input"),
        ({"text": {"format": {"type": "json_schema", "name": "a"}}}, "schema"),
        (
            {"text": {"format": {"type": "json_schema", "name": "a", "schema": {"type": "nope"}}}},
            "schema cannot be used",
        ),
        ({"seed": 1}, "seed"),
    ],
)
def test_what_is_not_there_is_refused(made: Catalog, changes: dict[str, Any], message: str) -> None:
    answer = post(made, "/v1/responses", {**ASK, **changes})
    assert answer.status_code == 400 and message in answer.json()["error"]["message"], answer.text
