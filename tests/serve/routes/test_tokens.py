"""The page's tokens have the probabilities of the model itself, and go on from any ids as generation does."""

from collections.abc import Iterator
from typing import Any

import pytest

import serving
from trivium.api import Model
from trivium.base.types import Message
from trivium.lab.piece import visible
from trivium.serve.routes import tokens
from trivium.serve.served import Catalog
from trivium.token import template

PATH = "/v1/trivium/tokens"


@pytest.fixture(scope="module")
def models() -> dict[str, Model]:
    return {"llama": serving.tiny(), "t5": serving.tiny("t5"), "bert": serving.tiny("bert")}


@pytest.fixture(scope="module")
def catalog(models: dict[str, Model]) -> Iterator[Catalog]:
    with serving.catalog(models) as made:
        yield made


def told(catalog: Catalog, **body: Any) -> dict[str, Any]:
    found = serving.post(catalog, PATH, {"model": "llama", "temperature": 0, **body})
    assert found.status_code == 200, found.text
    return dict(found.json())


def ids(found: dict[str, Any]) -> list[int]:
    return [one["id"] for one in found["tokens"]]


@pytest.mark.parametrize("block", [3, tokens.BLOCK])
def test_each_token_has_the_probability_that_the_model_gives_it(
    catalog: Catalog, models: dict[str, Model], monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(tokens, "BLOCK", block)
    model = models["llama"]
    found = told(catalog, prompt="Hello 的", max_tokens=4)
    first, *others = found["tokens"]
    assert first["logprob"] is None and not first["top"]
    expected = model.logits([ids(found)])[0, :-1, : model.tokenizer.size].log_softmax(-1)
    for one, scores in zip(others, expected, strict=True):
        assert one["logprob"] == pytest.approx(float(scores[one["id"]]), abs=1e-4)
        assert [other["id"] for other in one["top"]] == scores.topk(5).indices.tolist()
        assert [other["logprob"] for other in one["top"]] == pytest.approx(scores.topk(5).values.tolist(), abs=1e-4)
        assert one["text"] == visible(model.tokenizer, one["id"])
    prompt = model.encode("Hello 的")
    assert [one["written"] for one in found["tokens"]] == [False] * len(prompt) + [True] * 4
    assert ids(found) == prompt + model.generate([prompt], max_new_tokens=4)[0]


def test_a_fork_goes_on_from_its_ids(catalog: Catalog, models: dict[str, Model]) -> None:
    found = told(catalog, prompt="Hello", max_tokens=6)
    at = len(found["tokens"]) - 3
    other = found["tokens"][at]["top"][1]["id"]
    fork = [*ids(found)[:at], other]
    again = told(catalog, prompt=fork, max_tokens=3)
    assert ids(again) == fork + models["llama"].generate([fork], max_new_tokens=3)[0]
    assert again["tokens"][at]["logprob"] == pytest.approx(found["tokens"][at]["top"][1]["logprob"], abs=1e-4)
    assert again["finish_reason"] == "length" and told(catalog, prompt=fork)["finish_reason"] is None


def test_a_conversation_is_laid_by_the_template_and_an_answer_goes_on(
    catalog: Catalog, models: dict[str, Model]
) -> None:
    tokenizer = models["llama"].tokenizer
    turns = [{"role": "user", "content": "hi"}]
    asked = template.ids(template.render([Message("user", "hi")], tokenizer, generate=True))
    assert ids(told(catalog, messages=turns)) == asked
    begun = told(catalog, messages=[*turns, {"role": "assistant", "content": "yo"}])
    assert ids(begun) == asked + tokenizer.encode("yo")


def test_an_encoder_decoder_shows_what_it_reads_and_scores_what_it_writes(
    catalog: Catalog, models: dict[str, Model]
) -> None:
    model = models["t5"]
    found = told(catalog, model="t5", prompt="Hello", max_tokens=5)
    source = [one["id"] for one in found["source"]]
    assert source == model.encode("Hello") and ids(found)[0] == model.layout().start
    assert ids(found)[1:] == model.generate([source], max_new_tokens=5)[0]
    fork = [*ids(found)[:3], found["tokens"][3]["top"][2]["id"]]
    again = told(catalog, model="t5", prompt=fork, source=source, max_tokens=2)
    expected = model.logits([source], decoder_input_ids=[ids(again)])[0, :-1, : model.tokenizer.size].log_softmax(-1)
    for one, scores in zip(again["tokens"][1:], expected, strict=True):
        assert one["logprob"] == pytest.approx(float(scores[one["id"]]), abs=1e-4)
    assert ids(again)[:4] == fork and [one["written"] for one in again["tokens"]] == [False] * 4 + [True] * 2


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({}, "messages or prompt"),
        ({"prompt": "a", "messages": [{"role": "user", "content": "a"}]}, "messages or prompt"),
        ({"prompt": "a", "source": [1]}, "source"),
        ({"prompt": [5], "source": [6]}, "source"),
        ({"messages": [{"role": "assistant", "content": "a"}]}, "messages"),
        (
            {"messages": [{"role": "user", "content": "a"}, {"role": "tool", "content": "b", "tool_call_id": "c"}]},
            "tools",
        ),
        ({"prompt": "a", "n": 2}, "n:"),
        ({"prompt": "a", "stop": ["b"]}, "stop"),
        ({"prompt": "a", "stream": True}, "stream"),
        ({"prompt": [100_000]}, "100000"),
        ({"prompt": []}, "prompt"),
        ({"prompt": "a" * 100, "max_tokens": 100}, "at most 128 tokens"),
        ({"prompt": "a", "model": "bert"}, "bert"),
        ({"prompt": [5], "model": "t5"}, "source"),
    ],
)
def test_what_cannot_be_shown_is_refused(catalog: Catalog, body: dict[str, Any], word: str) -> None:
    found = serving.post(catalog, PATH, {"model": "llama", **body})
    assert found.status_code == 400 and word in found.json()["error"]["message"], found.text
