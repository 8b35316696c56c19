"""Beam search against transformers.generate, with ends at different lengths."""

from itertools import pairwise

import pytest
import torch

import trivium
from trivium.base.errors import ModelError
from trivium.infer.beam import Beam, search
from trivium.infer.generate import generate
from trivium.infer.request import Request
from trivium.infer.sampling import Sampling
from trivium.model.transformer import Transformer

transformers = pytest.importorskip("transformers", reason="transformers is the oracle of these tests")
transformers.logging.set_verbosity_error()

SMALL = {"vocab_size": 53, "pad_token_id": 0, "eos_token_id": 2}
CONFIGS = {
    "t5": {
        **SMALL,
        "d_model": 24,
        "d_kv": 8,
        "d_ff": 32,
        "num_layers": 2,
        "num_heads": 3,
        "decoder_start_token_id": 0,
        "relative_attention_num_buckets": 8,
    },
    "bart": {
        **SMALL,
        "d_model": 24,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "encoder_attention_heads": 3,
        "decoder_attention_heads": 3,
        "encoder_ffn_dim": 32,
        "decoder_ffn_dim": 32,
        "max_position_embeddings": 40,
        "bos_token_id": 1,
        "decoder_start_token_id": 2,
        "forced_eos_token_id": None,
    },
    "llama": {
        **SMALL,
        "hidden_size": 24,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 3,
        "num_key_value_heads": 1,
    },
}
SOURCES = [[9, 8, 7, 11, 30], [12, 4], [40, 41, 42, 43, 44, 45, 46, 5, 6]]


@pytest.fixture(scope="module", params=CONFIGS)
def pair(request, tmp_path_factory):
    """A stock model and ours with the same weights, in which EOS is likely enough to come at any length."""
    config = transformers.AutoConfig.for_model(request.param, **CONFIGS[request.param])
    seq = config.is_encoder_decoder
    auto = transformers.AutoModelForSeq2SeqLM if seq else transformers.AutoModelForCausalLM
    model = auto.from_config(config, attn_implementation="eager").eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(1 + 0.1 * noise if parameter.dim() == 1 and name.endswith("weight") else 0.3 * noise)
        if seq and hasattr(model, "final_logits_bias"):
            model.final_logits_bias[0, 2] += 2.5
        else:  # no bias: a long row of the head makes EOS likely in about half of all places
            model.get_output_embeddings().weight[2] *= 1.6
    folder = tmp_path_factory.mktemp(request.param)
    model.save_pretrained(folder)
    return model, trivium.load(folder).transformer


def theirs(model, row: list[int], **options) -> tuple[list[list[int]], list[float]]:
    ids = torch.tensor([row])
    given = {"attention_mask": torch.ones_like(ids), "num_return_sequences": options["num_beams"], "do_sample": False}
    out = model.generate(ids, **given, **options, output_scores=True, return_dict_in_generate=True)
    skip = 1 if model.config.is_encoder_decoder else len(row)
    texts = []
    for ids in out.sequences[:, skip:].tolist():
        end = ids.index(2) if 2 in ids else len(ids)
        texts.append(ids[:end])
    return texts, out.sequences_scores.tolist()


def ours(model, transformer: Transformer, rows: list[list[int]], config: Beam, count: int):
    if transformer.config.encoder is None:
        return search(transformer, Request(rows, decoding=config, max_new_tokens=count, stop_ids=(2,)))
    start = [[model.config.decoder_start_token_id]] * len(rows)
    return search(transformer, Request(start, decoding=config, max_new_tokens=count, stop_ids=(2,), sources=rows))


def agree(pair, options: dict, config: Beam, count: int = 12) -> set[int]:
    """Compare every hypothesis of every source; give the lengths that came up."""
    model, transformer = pair
    lengths = set()
    for row, found in zip(SOURCES, ours(model, transformer, SOURCES, config, count), strict=True):
        texts, scores = theirs(model, row, num_beams=config.beams, max_new_tokens=count, **options)
        assert [h.score for h in found] == pytest.approx(scores, abs=1e-4)
        gaps = [1.0, *(a - b for a, b in pairwise(scores)), 1.0]
        apart = [at for at in range(len(texts)) if min(gaps[at : at + 2]) > 1e-4]
        assert len(apart) >= len(texts) / 2, "nearly all hypotheses are worth the same: proves little"
        assert [found[at].ids for at in apart] == [texts[at] for at in apart]
        lengths |= {len(h.ids) for h in found}
    return lengths


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("length_penalty", [0.5, 1.0, 2.0])
def test_the_search_is_that_of_transformers(pair, length_penalty: float, early_stopping: bool) -> None:
    options = {"length_penalty": length_penalty, "early_stopping": early_stopping}
    assert len(agree(pair, options, Beam(beams=4, **options))) > 1, "all beams end at one length: proves little"


def test_no_run_of_ids_comes_twice(pair) -> None:
    agree(pair, {"no_repeat_ngram_size": 2}, Beam(no_repeat_ngram=2), count=16)


def test_forced_ids_stand_first_and_last(pair) -> None:
    model, transformer = pair
    if transformer.config.encoder is None:
        pytest.skip("transformers forces a first id only after a start id")
    options = {"forced_bos_token_id": 17, "forced_eos_token_id": 2}
    agree(pair, options, Beam(first=17, last=2), count=6)
    found = ours(model, transformer, SOURCES, Beam(first=17, last=2), 6)
    assert all(h.ids[0] == 17 and h.reason == "stop" for row in found for h in row)


def test_one_beam_is_greedy(pair) -> None:
    model, transformer = pair
    found = ours(model, transformer, SOURCES, Beam(beams=1), 10)
    start = SOURCES if transformer.config.encoder is None else [[model.config.decoder_start_token_id]] * 3
    sources = None if transformer.config.encoder is None else SOURCES
    greedy = generate(transformer, Request(start, max_new_tokens=10, stop_ids=(2,), sources=sources))
    assert [(row[0].ids, row[0].reason) for row in found] == [(c.ids, c.reason) for c in greedy]


def test_a_search_ends_where_positions_do() -> None:
    transformer = Transformer(trivium.build("gpt2", layers=1, hidden_size=16, heads=2, vocab_size=20, context=8).config)
    found = search(transformer, Request([[1, 2, 3]], decoding=Beam(beams=2), max_new_tokens=50))
    assert [len(h.ids) for h in found[0]] == [6, 6] and {h.reason for h in found[0]} == {"length"}


def test_rows_do_not_depend_on_each_other(pair) -> None:
    model, transformer = pair
    together = ours(model, transformer, SOURCES, Beam(), 12)
    alone = [ours(model, transformer, [row], Beam(), 12)[0] for row in SOURCES]
    assert [[h.ids for h in row] for row in together] == [[h.ids for h in row] for row in alone]


def test_ids_beyond_the_tokenizer_are_never_chosen(pair) -> None:
    _, transformer = pair
    start = SOURCES if transformer.config.encoder is None else [[0]] * 3
    sources = None if transformer.config.encoder is None else SOURCES
    found = search(transformer, Request(start, decoding=Beam(), max_new_tokens=12, vocabulary=10, sources=sources))
    assert all(index < 10 for row in found for h in row for index in h.ids)


def test_an_encoder_cannot_generate() -> None:
    with pytest.raises(ModelError, match="needs a decoder"):
        search(trivium.build("bert", depth=1, vocab_size=32).transformer, Request([[1]]))


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize(
    "rules",
    [
        {"repetition_penalty": 1.4},
        {"repetition_penalty": 0.7},
        {"min_new_tokens": 7},
        {"no_repeat_ngram": 2},
        {"no_repeat_ngram": 1, "min_new_tokens": 5, "repetition_penalty": 1.2},
    ],
    ids=lambda rules: "-".join(rules),
)
def test_the_rules_of_a_text_are_those_of_transformers(pair, rules: dict, beams: int) -> None:
    """Greedy and by beams, each rule alone and all together."""
    model, transformer = pair
    options = {"no_repeat_ngram_size" if name == "no_repeat_ngram" else name: value for name, value in rules.items()}
    if beams > 1:
        agree(pair, options, Beam(beams=beams, **rules))
        free, bound = (ours(model, transformer, SOURCES, Beam(beams=beams, **one), 12) for one in ({}, rules))
        assert [[h.ids for h in row] for row in free] != [[h.ids for h in row] for row in bound], "no rule was needed"
        return
    both = transformer.config.encoder is not None
    start = [[model.config.decoder_start_token_id]] * 3 if both else SOURCES
    asked = Request(start, SOURCES if both else None, Sampling(**rules), 12, (2,))
    for row, found in zip(SOURCES, generate(transformer, asked), strict=True):
        ids = model.generate(torch.tensor([row]), do_sample=False, max_new_tokens=12, pad_token_id=0, **options)
        new = ids[0, 1 if both else len(row) :].tolist()
        assert found.ids == (new[: new.index(2)] if 2 in new else new)


def test_a_sampled_text_has_its_least_length(pair) -> None:
    _, transformer = pair
    both = transformer.config.encoder is not None
    start = [[0]] * 3 if both else SOURCES

    def lengths(least: int) -> list[int]:
        warm = Sampling(temperature=1.0, seed=1, min_new_tokens=least)
        asked = Request(start, SOURCES if both else None, warm, 40, (2, *range(20, 40)))
        return [len(found.ids) for found in generate(transformer, asked)]

    assert min(lengths(0)) < 6 <= min(lengths(6)) < 40
