"""A call's own options win over those of the folder, and beams that only the folder asks for give way."""

import pytest

import trivium
from serving import CHAT, catalog, post, tiny
from trivium.infer.beam import Beam
from trivium.infer.sampling import Sampling

BEAMS = {"num_beams": 3, "length_penalty": 2.0, "no_repeat_ngram": 2, "min_new_tokens": 30, "max_new_tokens": 40}
SAMPLED = {"temperature": 0.7, "top_p": 0.9, "repetition_penalty": 1.1}


def made(defaults: dict[str, float]) -> trivium.Model:
    model = tiny()
    model.defaults = dict(defaults)
    return model


def test_what_the_call_gives_wins() -> None:
    model = made(SAMPLED)
    asked = model.usual([[1]], None, 64).decoding
    assert isinstance(asked, Sampling) and (asked.temperature, asked.top_p, asked.repetition_penalty) == (0.7, 0.9, 1.1)
    own = model.usual([[1]], None, 64, temperature=0.0, repetition_penalty=1.0).decoding
    assert isinstance(own, Sampling) and (own.temperature, own.top_p, own.repetition_penalty) == (0.0, 0.9, 1.0)
    assert isinstance(model.request([[1]]).decoding, Sampling) and model.request([[1]]).decoding == Sampling()


def test_beams_of_the_folder_and_their_options() -> None:
    model = made(BEAMS)
    assert model.beams(None) == 3 and model.beams(2) == 2 and model.beams(1) == 1
    request = model.usual([[1]], None, 64, None, 3)
    assert isinstance(request.decoding, Beam) and request.max_new_tokens == 40
    assert (request.decoding.length_penalty, request.decoding.min_new_tokens) == (2.0, 30)
    assert model.usual([[1]], 8, 64, None, 3).decoding.min_new_tokens == 8, "no longer than the text may be"
    plain = model.usual([[1]], None, 64).decoding
    assert isinstance(plain, Sampling) and plain.no_repeat_ngram == 2
    model.generate([1, 2], 4, temperature=0.5, seed=1)  # beam search has no temperature: the folder's beams give way


@pytest.mark.parametrize("option", [{"temperature": 0.5}, {"seed": 1}, {"exact": True}, {"top_k": 3}])
def test_beams_of_the_folder_give_way(option: dict[str, float]) -> None:
    model = made(BEAMS)
    assert model.beams(None, None, option) == 1 and model.beams(None, "stop") == 1
    assert model.beams(None, None, {"length_penalty": 1.0, "seed": None}) == 3


def test_a_request_to_the_server_wins_and_else_the_folder() -> None:
    greedy = {**CHAT, "temperature": 0}
    plain, stated = tiny(), made({"temperature": 1e-3, "top_k": 1, "no_repeat_ngram": 1, "max_new_tokens": 5})
    with catalog({"llama": plain, "stated": stated}) as both:
        body = {**CHAT, "model": "stated"}
        free = post(both, "/v1/chat/completions", {key: body[key] for key in body if key != "max_tokens"}).json()
        assert free["usage"]["completion_tokens"] <= 5
        assert free["choices"] == post(both, "/v1/chat/completions", {**body, "max_tokens": 5}).json()["choices"]
        told = post(both, "/v1/responses", {"model": "stated", "input": "hi", "max_output_tokens": 4}).json()
        assert told["temperature"] == 1e-3
        stated.defaults = {"repetition_penalty": 1e9}
        own = post(both, "/v1/chat/completions", {**greedy, "model": "stated", "repetition_penalty": 1.0}).json()
        assert own["choices"] == post(both, "/v1/chat/completions", greedy).json()["choices"]
