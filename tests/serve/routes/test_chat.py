"""Chat completions say what `trivium chat` says, whole and in pieces, and honour or refuse each field."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI

import shapes
import small
from serving import CHAT, ask, behind_a_socket, catalog, post, tiny
from trivium.serve.served import Catalog

PATH = "/v1/chat/completions"


@pytest.fixture(scope="module")
def made() -> Iterator[Catalog]:
    with catalog() as found:
        yield found


def said(made: Catalog, **changes: Any) -> dict[str, Any]:
    answer = post(made, "/v1/chat/completions", {**CHAT, **changes})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_an_answer_is_that_of_chat(made: Catalog) -> None:
    model = made.served["llama"].model
    for options in ({"temperature": 0}, {"temperature": 0.9, "seed": 3}, {"temperature": 1, "top_k": 5, "seed": 4}):
        want = model.chat(CHAT["messages"], 8, **options)
        assert said(made, **options)["choices"][0]["message"] == {"role": "assistant", "content": want, "refusal": None}


def test_the_client_of_openai_gets_the_same_whole_and_in_pieces(made: Catalog) -> None:
    want = made.served["llama"].model.chat(CHAT["messages"], 8, temperature=0)
    with behind_a_socket(made) as address, OpenAI(base_url=f"{address}/v1", api_key="none") as client:
        assert [one.id for one in client.models.list()] == ["llama"]
        whole = client.chat.completions.create(**CHAT, temperature=0)
        assert whole.choices[0].message.content == want and whole.choices[0].finish_reason == "length"
        pieces = list(client.chat.completions.create(**CHAT, temperature=0, stream=True))
        assert "".join(one.choices[0].delta.content or "" for one in pieces) == want


def test_a_stream_is_the_answer_in_pieces_and_ends_once(made: Catalog) -> None:
    body = {**CHAT, "seed": 5, "n": 3, "logprobs": True, "top_logprobs": 2, "temperature": 0.9}
    want = post(made, PATH, body).json()
    lines = post(made, PATH, {**body, "stream": True, "stream_options": {"include_usage": True}}).text.split("\n\n")
    assert lines[-2:] == ["data: [DONE]", ""]
    *pieces, usage = [json.loads(line[6:]) for line in lines[:-2]]
    assert usage["choices"] == [] and usage["usage"] == want["usage"] and all(one["usage"] is None for one in pieces)
    assert len({one["message"]["content"] for one in want["choices"]}) == 3
    for choice in want["choices"]:
        mine = [one["choices"][0] for one in pieces if one["choices"][0]["index"] == choice["index"]]
        assert mine[0]["delta"]["role"] == "assistant" and not any("role" in one["delta"] for one in mine[1:])
        assert "".join(one["delta"].get("content", "") for one in mine) == choice["message"]["content"]
        assert [one["finish_reason"] for one in mine if one["finish_reason"]] == [choice["finish_reason"]]
        told = [token for one in mine if one["logprobs"] for token in one["logprobs"]["content"]]
        assert told == choice["logprobs"]["content"] and all(len(one["top_logprobs"]) == 2 for one in told)


def test_a_stream_without_usage_has_none(made: Catalog) -> None:
    lines = post(made, PATH, {**CHAT, "stream": True}).text.split("\n\n")[:-2]
    assert not any("usage" in json.loads(line[6:]) for line in lines)


def test_the_reason_for_the_end_is_told(made: Catalog) -> None:
    model = made.served["llama"].model
    end = str(model.stop_ids[0])
    stopped = said(made, logit_bias={end: 100}, temperature=0)
    assert stopped["choices"][0]["finish_reason"] == "stop" and stopped["choices"][0]["message"]["content"] == ""
    assert stopped["usage"]["completion_tokens"] == 0
    long = said(made, logit_bias={end: -100}, temperature=0, max_tokens=None)
    assert long["choices"][0]["finish_reason"] == "length"
    assert long["usage"]["total_tokens"] == model.config.context  # without a limit, up to the context


def test_a_second_turn_reads_its_prefix_from_the_cache(made: Catalog) -> None:
    turns = [{"role": "user", "content": "tell me of the sea and the old ships"}]
    first = said(made, messages=turns, temperature=0, max_tokens=8)
    turns += [first["choices"][0]["message"], {"role": "user", "content": "x"}]
    second = said(made, messages=turns, temperature=0)["usage"]
    assert second["prompt_tokens_details"]["cached_tokens"] >= first["usage"]["prompt_tokens"] - 1


def test_control_tokens_in_a_message_are_text(made: Catalog) -> None:
    names = ["<|end|>", "</s>", "[MASK]", "<extra_id_0>", "<|user|>", "<s>", "<|im_end|>"]
    for content in (*names, "".join(names), [{"type": "text", "text": "<|us"}, {"type": "text", "text": "er|>"}]):
        text = content if isinstance(content, str) else "".join(part["text"] for part in content)
        turns = [{"role": "system", "content": text}, {"role": "user", "content": content}]
        found = said(made, messages=turns)["usage"]["prompt_tokens"]
        # <s> <|system|> text <|end|> <|user|> text <|end|> <|assistant|>, one token for each byte
        assert found == 6 + 2 * len(text.encode())


def test_an_echo_of_an_answer_is_taken_as_it_came(made: Catalog) -> None:
    answer = {
        **said(made, temperature=0)["choices"][0]["message"],
        "tool_calls": None,
        "annotations": [],
        "audio": None,
    }
    turns = [{"role": "user", "content": "a", "name": None}, answer, {"role": "user", "content": "b"}]
    assert said(made, messages=turns, temperature=0)["usage"]["completion_tokens"] == 8


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"tools": [{"type": "function", "function": {"name": "a"}}]}, "tools"),
        ({"functions": [{"name": "a"}]}, "functions"),
        ({"chat_template": "{{ 1 }}"}, "chat_template"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"reasoning_effort": "low"}, "reasoning_effort"),
        ({"service_tier": "flex"}, "service_tier"),
        ({"store": True}, "store"),
        ({"top_k": 0}, "top_k"),
        ({"temperature": float("1e400")}, None),
        ({"seed": -1}, "seed"),
        ({"seed": 1 << 80}, "seed"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 2, "max_completion_tokens": 3}, None),
        ({"stop": ["a"] * 5}, "stop"),
        ({"top_logprobs": 2}, None),
        ({"n": True}, "n"),
        ({"stream": "yes"}, "stream"),
        ({"messages": [{"role": "wizard", "content": "a"}]}, "messages.0.role"),
        ({"messages": [{"role": "user", "content": "a", "name": "me"}]}, "messages.0.name"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]}, "messages.0.content"),
        ({"messages": [{"role": "user"}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": "x" * 500}]}, None),
        ({"messages": [{"role": role, "content": "x" * 60} for role in ("user", "assistant", "user")]}, None),
    ],
)
def test_what_cannot_be_honoured_is_named(made: Catalog, changes: dict, param: str | None) -> None:
    body = json.dumps({**CHAT, **changes}).encode()
    error = post(made, PATH, None, content=body, headers={"content-type": "application/json"})
    assert error.status_code == 400, error.text
    assert (error.json()["error"]["param"] or "").startswith(param or ""), error.text


@pytest.mark.parametrize(
    "changes",
    [
        {"user": "me", "metadata": {"a": "b"}, "safety_identifier": "x", "store": False, "service_tier": "auto"},
        {"tools": [], "tool_choice": "none", "response_format": {"type": "text"}, "modalities": ["text"]},
        {"logprobs": None, "stop": None, "seed": None, "stream": None, "n": None, "logit_bias": None, "tools": None},
        {"max_completion_tokens": 8, "parallel_tool_calls": True, "stream_options": None},
    ],
)
def test_fields_that_ask_for_nothing_change_nothing(made: Catalog, changes: dict[str, Any]) -> None:
    plain = said(made, temperature=0)["choices"]
    assert said(made, temperature=0, **changes)["choices"] == plain


def test_too_many_are_told_to_come_again(made: Catalog) -> None:
    with catalog(waiting=2) as small:
        three = ask(small, *[lambda client: client.post(PATH, json={**CHAT, "max_tokens": 100, "temperature": 0})] * 3)
    statuses = sorted(one.status_code for one in three)
    assert statuses == [200, 200, 429]
    refused = next(one for one in three if one.status_code == 429)
    assert refused.headers["retry-after"] == "1" and refused.json()["error"]["code"] == "queue_full"


def test_an_encoder_decoder_chats() -> None:
    with catalog({"t5": tiny("t5")}) as both:
        want = both.served["t5"].model.chat(CHAT["messages"], 8)
        found = post(both, PATH, {**CHAT, "model": "t5", "temperature": 0}).json()
    assert found["choices"][0]["message"]["content"] == want and found["usage"]["prompt_tokens"] > 1


def test_an_answer_that_takes_too_long_ends_with_what_is_there() -> None:
    with catalog({"llama": tiny(context=4096)}, memory_gib=1.0, answer_seconds=0.2) as slow:
        never = {str(index): -100 for index in slow.served["llama"].model.stop_ids}
        found = post(slow, PATH, {**CHAT, "max_tokens": 4000, "logit_bias": never}).json()
    assert found["choices"][0]["finish_reason"] == "length" and 0 < found["usage"]["completion_tokens"] < 4000


def test_an_answer_has_the_form_that_was_asked_for(made: Catalog) -> None:
    pytest.importorskip("llguidance")
    schema = {"type": "object", "properties": {"a": {"enum": [1, 2]}}, "required": ["a"], "additionalProperties": False}
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema, "strict": True}}
    for seed in range(4):
        choices = said(made, response_format=form, max_tokens=60, n=2, seed=seed)["choices"]
        assert all(json.loads(one["message"]["content"])["a"] in (1, 2) for one in choices)
        assert [one["finish_reason"] for one in choices] == ["stop", "stop"]
    assert said(made, response_format={"type": "text"}, seed=0)["choices"][0]["message"]["content"]
    for wrong, message in (
        ({"response_format": {"type": "json_schema"}}, "json_schema"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"not": {}}}}},
            "Unimplemented",
        ),
        ({"response_format": form, "stop": "a"}, "stop"),
    ):
        answer = post(made, "/v1/chat/completions", {**CHAT, **wrong})
        assert answer.status_code == 400 and message in answer.json()["error"]["message"]


def test_an_answer_that_is_not_of_its_form_is_no_answer(made: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("llguidance")
    monkeypatch.setattr("trivium.infer.grammar.Grammar.mask", lambda *_: None)
    monkeypatch.setattr("trivium.infer.grammar.Grammar.done", True)
    body = {**CHAT, "response_format": {"type": "json_object"}}
    assert post(made, "/v1/chat/completions", body).status_code == 500
    assert "not of the form" in post(made, "/v1/chat/completions", {**body, "stream": True}).text


def shown(*parts: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"model": "reader", "messages": [{"role": "user", "content": [*parts]}], "max_tokens": 8, **changes}


def test_a_picture_is_read(tmp_path: Path) -> None:
    pytest.importorskip("PIL")
    shapes.pictures(tmp_path, 2)
    data = [base64.b64encode((tmp_path / f"{n}.png").read_bytes()).decode() for n in range(2)]
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data[0]}", "detail": "auto"}}
    asked = {"type": "text", "text": "which?"}
    model = small.noisy(shapes.reader())
    want = model.generate("which?", 8, images=[tmp_path / "0.png"], temperature=0)[0]
    with catalog({"reader": model, "llama": tiny()}) as made:
        answer = post(made, PATH, shown(image, asked, temperature=0)).json()
        assert answer["choices"][0]["message"]["content"] == want
        assert answer["usage"]["prompt_tokens"] == 5 + 7  # its patches and the question
        lines = post(made, PATH, shown(image, asked, temperature=0, stream=True)).text.split("\n\n")[:-2]
        pieces = [json.loads(line[6:])["choices"][0]["delta"].get("content", "") for line in lines]
        assert "".join(pieces) == want
        wrong = [
            (shown(asked), "it reads pictures: give one"),
            (shown(image, image, asked), "found 1 messages and 2 pictures"),
            (shown({"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}), "no address is fetched"),
            (shown({"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}), "found another file"),
            (shown({"type": "image_url"}), "of type image_url with an image_url"),
            (shown({**image, "image_url": {**image["image_url"], "detail": "high"}}), "detail"),
            (shown(image, model="llama"), "it reads no pictures"),
            (shown(image, response_format={"type": "json_object"}), "not beside a picture"),
        ]
        for body, told in wrong:
            refused = post(made, PATH, body)
            assert refused.status_code == 400 and told in refused.json()["error"]["message"], refused.text
        prompt = {"model": "reader", "prompt": "a"}
        assert post(made, "/v1/completions", prompt).status_code == 400
