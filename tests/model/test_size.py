"""Sizes and costs by hand for a model small enough to count."""

import pytest

from trivium.model.attention.pattern import Causal, Full, Window
from trivium.model.config import ModelConfig
from trivium.model.size import activations, attended, flops, lengths, parameters, row_flops, training_bytes

TINY = ModelConfig.model_validate(
    {"preset": "llama", "depth": 1, "hidden_size": 8, "vocab_size": 10, "tie": True, "decoder": {"heads": 2}}
)


def test_attended_keys_are_those_the_pattern_allows() -> None:
    assert attended(Full(), 7) == 7
    assert attended(Causal(), 7) == 4
    assert attended(Window(size=2), 5) == pytest.approx((1 + 2 * 4) / 5)
    assert attended(Window(size=600), 700) == pytest.approx((600 * 601 / 2 + 100 * 600) / 700)


def test_flops_by_hand() -> None:
    inner = 64  # 8/3 of 8, rounded up to a multiple of 64
    products = 4 * 8 * 8 + 3 * 8 * inner + 8 * 10
    assert flops(TINY, 5) == 6 * products + 12 * 8 * 3


def test_parameters_by_part() -> None:
    found = parameters(TINY)
    assert found["tokens"] == 80 and found["decoder.blocks.attention"] == 256
    assert "head" not in found  # tied


def test_activations_grow_with_the_batch() -> None:
    assert activations(TINY, 10, 4) == 4 * activations(TINY, 10, 1)


def test_training_needs_weights_activations_and_a_chunk_of_scores() -> None:
    weights = 16 * sum(parameters(TINY).values())
    assert training_bytes(TINY, 4, 2) == weights + activations(TINY, 4, 2)
    assert training_bytes(TINY, 4, 2, chunk_rows=3) - training_bytes(TINY, 4, 2) == 8 * 3 * 10
    assert training_bytes(TINY, 4, 2, chunk_rows=999) - training_bytes(TINY, 4, 2) == 8 * (4 * 2) * 10


def test_pictures_by_hand() -> None:
    embed = {"kind": "patches", "patch": 2, "channels": 1, "size": [2, 2]}
    tree = {"preset": "vit", "depth": 1, "hidden_size": 8, "encoder": {"heads": 2, "embed": embed}}
    vit = ModelConfig.model_validate(tree)
    block = 4 * 8 * 8 + 2 * 8 * 32
    assert lengths(vit, 100) == {"encoder": 5}
    assert flops(vit, 100) == 6 * (4 * 8 + block) + 12 * 8 * 5  # a class token and four patches
    wide = {**tree, "preset": "vit-gpt2", "vocab_size": 10, "hidden_size": 12, "context": 20, "decoder": {"heads": 2}}
    pair = ModelConfig.model_validate({**wide, "encoder": {**tree["encoder"], "hidden_size": 8}})
    reads = 5 * (6 * (4 * 8 + block + 8 * 12 + 2 * 12 * 12) + 12 * 8 * 5)  # the matrix between, keys and values
    writes = 7 * (6 * (6 * 12 * 12 + 2 * 12 * 48 + 12 * 10) + 12 * 12 * (4 + 5))
    assert row_flops(pair, encoder=5, decoder=7, targets=7) == reads + writes
    assert parameters(pair)["project"] == 8 * 12 + 12 and "tokens" not in parameters(vit)
