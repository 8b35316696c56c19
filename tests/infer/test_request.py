"""A request says in one place what a generation needs; what a model cannot run is refused before it begins."""

import pytest

import small
import trivium
from trivium.base.errors import ConfigError, ModelError
from trivium.infer.beam import Beam
from trivium.infer.request import Request, most
from trivium.infer.sampling import Sampling


def test_options_become_the_decoding_and_the_ends_of_the_model() -> None:
    model = small.model("llama")
    request = model.request([[1, 5]], 9, "x", temperature=0.5, seed=3)
    assert request == Request(
        [[1, 5]], None, Sampling(temperature=0.5, seed=3), 9, model.stop_ids, ("x",), vocabulary=model.tokenizer.size
    )
    assert model.request([[1]], num_beams=2, length_penalty=0.5).decoding == Beam(beams=2, length_penalty=0.5)


def test_an_encoder_reads_the_ids_and_the_decoder_begins_with_its_start() -> None:
    request = small.model("t5").request([[7, 8], [9]])
    assert request.prompts == [[0], [0]] and request.sources == [[7, 8], [9]]


def test_forced_ids_are_the_models_unless_others_are_given() -> None:
    model = small.model("bart")
    model.forced = {"first": 5, "last": 2}
    for beams in (1, 3):
        for options, ends in (({}, (5, 2)), ({"first": None}, (None, 2)), ({"last": 9}, (5, 9))):
            found = model.request([[1]], num_beams=beams, **options).decoding
            assert (found.first, found.last) == ends


@pytest.mark.parametrize(
    ("preset", "request_", "kind", "message"),
    [
        ("bert", Request([[1]]), ModelError, "generation needs a decoder; this is an encoder model"),
        ("llama", Request([[1]], max_new_tokens=0), ConfigError, "max_new_tokens: expected at least 1, found 0"),
        ("llama", Request([[1], []]), ModelError, "prompt 1 is empty"),
        ("t5", Request([[0]]), ModelError, "needs a source for each prompt"),
        ("t5", Request([[0]], [[384]]), ModelError, "prompt 0 has the id 384"),
    ],
)
def test_what_a_model_cannot_run_is_refused(preset, request_, kind, message) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(kind, match=message):
        request_.check(small.model(preset).config)


def test_no_more_is_asked_for_than_the_context() -> None:
    config = small.model("llama").config
    assert [most(config, asked, usual) for asked, usual in ((None, 9), (None, 999), (7, 9))] == [9, 64, 7]
    with pytest.raises(ConfigError, match="max_new_tokens: expected at most the model's context of 64, found 65"):
        most(config, 65, 9)
    with pytest.raises(ModelError, match="this model is an encoder: see `trivium fill`"):
        most(small.model("bert").config, None, 9)


@pytest.mark.parametrize("head", ["none", "embed", {"kind": "classify", "labels": ["a", "b"]}])
def test_a_decoder_without_scores_of_tokens_writes_nothing(head) -> None:  # type: ignore[no-untyped-def]
    model = trivium.build("llama", layers=1, hidden_size=32, heads=2, vocab_size=64, tie=False, head=head)
    with pytest.raises(ModelError, match="generation needs scores of tokens; the head of this model is of kind"):
        model.generate([[1, 2]], max_new_tokens=2)


@pytest.mark.parametrize("preset", ["gpt2", "llama", "t5", "bart"])
def test_a_prompt_longer_than_the_context_is_refused_and_never_cut(preset):
    model = small.model(preset, context=16)
    assert len(model.generate([[5] * 16], max_new_tokens=1)) == 1
    with pytest.raises(ModelError, match=r"prompt 1 has 17 tokens, but the model's context is 16; shorten it"):
        model.generate([[5], [5] * 17], max_new_tokens=1)
    with pytest.raises(ModelError, match=r"the model's context is 16"):
        next(model.stream("hello there, this is long"))
