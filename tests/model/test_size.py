"""Sizes and costs by hand for a model small enough to count."""

import pytest

from trivium.model.attention.pattern import Causal, Full, Window
from trivium.model.config import ModelConfig
from trivium.model.size import activations, attended, flops, parameters, training_bytes

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
