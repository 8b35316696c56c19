"""Completions say what `trivium generate` says, for texts and ids, whole and in pieces."""

import json
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from serving import behind_a_socket, catalog, post, tiny
from trivium.serve.routes.completions import name
from trivium.serve.served import Catalog
from trivium.token.tokenizer import Tokenizer

PATH = "/v1/completions"


@pytest.fixture(scope="module")
def made() -> Iterator[Catalog]:
    with catalog({"llama": tiny(), "t5": tiny("t5")}) as found:
        yield found


def said(made: Catalog, **changes: Any) -> dict[str, Any]:
    answer = post(made, PATH, {"model": "llama", "prompt": "once", "max_tokens": 8, **changes})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("model", ["llama", "t5"])
def test_an_answer_is_that_of_generate(made: Catalog, model: str) -> None:
    for options in ({"temperature": 0}, {"temperature": 0.8, "seed": 1, "top_p": 0.9, "min_p": 0.01}):
        want = made.served[model].model.generate(["once", "twice"], 8, **options)
        found = said(made, model=model, prompt=["once", "twice"], **options)
        assert [choice["text"] for choice in found["choices"]] == want
        assert [choice["index"] for choice in found["choices"]] == [0, 1]


def test_options_at_their_ends_are_the_greedy_choice_or_change_nothing(made: Catalog) -> None:
    greedy = made.served["llama"].model.generate("once", 8)
    for options in ({"temperature": 0, "seed": 1}, {"temperature": 1, "top_p": 1e-9}, {"temperature": 1, "top_k": 1}):
        assert said(made, **options)["choices"][0]["text"] == greedy
    free = [said(made, seed=3, **some)["choices"] for some in ({}, {"top_k": 10**6}, {"top_p": 1.0, "min_p": 0})]
    assert free[0] == free[1] == free[2]


def test_penalties_and_bias_act(made: Catalog) -> None:
    model = made.served["llama"].model
    others, bias = set(), {str(model.tokenizer.encode("A")[0]): 100}
    for options in ({"repetition_penalty": 5.0}, {"frequency_penalty": 2.0}, {"presence_penalty": -2.0}):
        want = model.generate("once", 8, **options)
        assert said(made, temperature=0, **options)["choices"][0]["text"] == want
        others.add(want)
    assert len(others) > 1
    found = said(made, temperature=0, logit_bias=bias, max_tokens=3)
    assert found["choices"][0]["text"] == "AAA"


def test_ids_are_read_as_they_are(made: Catalog) -> None:
    ids = made.served["llama"].model.encode("once")
    texts = {said(made, prompt=form, temperature=0)["choices"][0]["text"] for form in ("once", ids, [ids])}
    assert len(texts) == 1


def test_a_stop_ends_the_text_and_is_not_told(made: Catalog) -> None:
    letters = {
        "logit_bias": dict.fromkeys(map(str, made.served["llama"].model.tokenizer.encode("abcdefgh")), 50),
        "seed": 2,
    }
    whole = said(made, **letters)["choices"][0]["text"]
    stop = whole[3:5]
    cut = said(made, **letters, stop=stop, logprobs=1)["choices"][0]
    assert cut["text"] == whole[: whole.index(stop)] and cut["finish_reason"] == "stop"
    assert "".join(cut["logprobs"]["tokens"]) == cut["text"]


def test_a_stream_is_the_answer_in_pieces(made: Catalog) -> None:
    body = {"model": "llama", "prompt": ["once", "twice"], "max_tokens": 8, "seed": 5, "n": 2, "logprobs": 2}
    want = post(made, PATH, body).json()
    lines = post(made, PATH, {**body, "stream": True, "stream_options": {"include_usage": True}}).text.split("\n\n")
    assert lines[-2:] == ["data: [DONE]", ""]
    *pieces, usage = [json.loads(line[6:]) for line in lines[:-2]]
    assert usage["choices"] == [] and usage["usage"] == want["usage"]
    assert all(piece["usage"] is None for piece in pieces)
    for choice in want["choices"]:
        mine = [one["choices"][0] for one in pieces if one["choices"][0]["index"] == choice["index"]]
        assert "".join(one["text"] for one in mine) == choice["text"]
        assert [one["finish_reason"] for one in mine] == [None] * (len(mine) - 1) + [choice["finish_reason"]]
        told = [one["logprobs"] for one in mine if one["logprobs"]]
        assert [token for one in told for token in one["tokens"]] == choice["logprobs"]["tokens"]


def test_log_probabilities_are_those_of_the_model(made: Catalog) -> None:
    model = made.served["llama"].model
    told = said(made, temperature=0, logprobs=3, max_tokens=4)["choices"][0]["logprobs"]
    prompt = model.encode("once")
    ids = model.generate([prompt], 4)[0]
    assert len(ids) == 4
    scores = model.logits([prompt + ids])[0, len(prompt) - 1 : -1, : model.tokenizer.size].log_softmax(-1)
    want = [float(row[index]) for row, index in zip(scores, ids, strict=True)]
    assert torch.allclose(torch.tensor(told["token_logprobs"]), torch.tensor(want), atol=1e-4)
    best = [{name(model.tokenizer, at) for at in row.topk(3).indices.tolist()} for row in scores]
    assert [{*one} for one in told["top_logprobs"]] == best


def test_half_a_character_is_told_as_bytes() -> None:
    tokenizer = Tokenizer.bytes()
    first, second = tokenizer.encode("é")
    assert [name(tokenizer, one) for one in (first, second)] == ["bytes:\\xc3", "bytes:\\xa9"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"suffix": "x"}, "suffix: this field is not known here, or not with the value 'x'"),
        ({"echo": True}, "echo: this field is not known here, or not with the value True"),
        ({"best_of": 3}, "best_of"),
        ({"prompt": []}, "prompt: expected 1 or more entries"),
        ({"prompt": [[]]}, "prompt.0"),
        ({"prompt": ["a", 3]}, "prompt"),
        ({"prompt": [999_999]}, "has the id 999999; expected ids from 0 to 383"),
        ({"prompt": "x" * 200}, "the model reads at most 128 tokens; the prompt has 201"),
        ({"prompt": "x" * 100, "max_tokens": 100}, "shorten it, or set max_tokens"),
        ({"max_tokens": 129}, "max_tokens: expected at most 128, found 129"),
        ({"n": 9}, "n: expected at most 8, found 9"),
        ({"n": 8, "prompt": ["a"] * 9}, "expected at most 64 answers in one request, found 72"),
        ({"logit_bias": {"384": 1}}, "logit_bias: expected ids from 0 to 383, found 384"),
        ({"logit_bias": {"a": 1}}, "logit_bias"),
        ({"logit_bias": {"1": 101}}, "logit_bias"),
        ({"stream_options": {"include_usage": True}}, "stream_options: only with stream: true"),
    ],
)
def test_what_cannot_be_honoured_is_named(made: Catalog, changes: dict, message: str) -> None:
    answer = post(made, PATH, {"model": "llama", "prompt": "a", **changes})
    assert answer.status_code == 400 and message in answer.json()["error"]["message"], answer.text


def test_a_number_of_answers_that_is_refused_takes_no_memory(made: Catalog) -> None:
    """Rows are made after the number was looked at: thousands of millions of them would fill any machine."""
    tracemalloc.start()
    answer = post(made, PATH, {"model": "llama", "prompt": "a", "n": 2_000_000})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert answer.status_code == 400 and peak < 8_000_000, (answer.text, peak)


def test_the_usual_number_of_tokens_is_that_of_the_api(made: Catalog) -> None:
    usage = post(made, PATH, {"model": "llama", "prompt": "abc", "logit_bias": {"65": 100}}).json()["usage"]
    assert usage["completion_tokens"] == 16 and usage["total_tokens"] == 16 + usage["prompt_tokens"]


def test_tokenize_tells_the_ids(made: Catalog) -> None:
    model = made.served["t5"].model
    found = post(made, "/tokenize", {"model": "t5", "prompt": "ab"}).json()
    assert found == {"tokens": model.encode("ab"), "count": len(model.encode("ab")), "max_model_len": 128}
    bare = post(made, "/tokenize", {"model": "t5", "prompt": "ab", "add_special_tokens": False}).json()
    assert bare["tokens"] == model.tokenizer.encode("ab")


def test_the_client_of_openai(made: Catalog) -> None:
    from openai import OpenAI

    want = made.served["llama"].model.generate("once", 8)
    with behind_a_socket(made) as address, OpenAI(base_url=f"{address}/v1", api_key="none") as client:
        asked = {"model": "llama", "prompt": "once", "max_tokens": 8, "temperature": 0}
        assert client.completions.create(**asked).choices[0].text == want
        assert "".join(one.choices[0].text for one in client.completions.create(**asked, stream=True)) == want
