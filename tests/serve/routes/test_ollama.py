"""Ollama's form: the answer of chat in lines of JSON, the models, and each field honoured or refused."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from serving import CHAT, ask, catalog, post, tiny
from trivium.serve.served import Catalog

ASK = {"model": "llama", "messages": CHAT["messages"], "options": {"temperature": 0, "num_predict": 8}}


@pytest.fixture(scope="module")
def made() -> Iterator[Catalog]:
    with catalog({"llama": tiny(), "bert": tiny("bert")}) as found:
        yield found


def test_an_answer_is_that_of_chat_whole_and_in_lines(made: Catalog) -> None:
    want = made.served["llama"].model.chat(CHAT["messages"], 8)
    whole = post(made, "/api/chat", {**ASK, "stream": False, "keep_alive": "5m"}).json()
    assert whole["message"] == {"role": "assistant", "content": want}
    assert (whole["done"], whole["done_reason"], whole["eval_count"]) == (True, "length", 8)
    answer = post(made, "/api/chat", {**ASK, "model": "llama:latest"})
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    lines = [json.loads(one) for one in answer.text.splitlines()]
    assert "".join(one["message"]["content"] for one in lines) == want
    assert [one["done"] for one in lines] == [False] * (len(lines) - 1) + [True]
    assert lines[-1]["prompt_eval_count"] == whole["prompt_eval_count"] > 0 and lines[-1]["total_duration"] > 0


def test_options_are_those_of_sampling(made: Catalog) -> None:
    options = {"temperature": 0.9, "top_k": 5, "top_p": 0.8, "seed": 3, "repeat_penalty": 1.1}
    want = made.served["llama"].model.chat(
        CHAT["messages"], 8, temperature=0.9, top_k=5, top_p=0.8, seed=3, repetition_penalty=1.1
    )
    body = {**ASK, "stream": False, "options": {**options, "num_predict": 8}}
    assert post(made, "/api/chat", body).json()["message"]["content"] == want


def test_the_models_that_chat_are_listed(made: Catalog) -> None:
    (found,) = ask(made, lambda client: client.get("/api/tags"))[0].json()["models"]
    weights = sum(one.numel() for one in made.served["llama"].model.transformer.parameters())
    assert found["name"] == "llama" and found["size"] == 4 * weights and found["details"]["family"] == "decoder"


def test_an_answer_has_the_form_that_was_asked_for(made: Catalog) -> None:
    pytest.importorskip("llguidance")
    schema = {
        "type": "object",
        "properties": {"a": {"type": "boolean"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    body = {**ASK, "stream": False, "format": schema, "options": {"temperature": 0, "num_predict": 60}}
    assert json.loads(post(made, "/api/chat", body).json()["message"]["content"])["a"] in (True, False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"options": {"num_gpu": 1}}, "options.num_gpu"),
        ({"options": {"num_ctx": 64}}, "options.num_ctx"),
        ({"options": {"num_predict": 999}}, "options.num_predict: expected at most 128"),
        ({"options": {"num_predict": 0}}, "options.num_predict"),
        ({"think": True}, "think"),
        ({"messages": [{"role": "user", "content": "a", "images": ["x"]}]}, "images"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "cannot call tools"),
        ({"model": "bert"}, "cannot do this (chat)"),
    ],
)
def test_what_is_not_honoured_is_refused_in_their_form(made: Catalog, changes: dict[str, Any], message: str) -> None:
    answer = post(made, "/api/chat", {**ASK, **changes})
    assert answer.status_code == 400 and message in answer.json()["error"], answer.text
