"""Stretched RoPE: each way gives the frequencies and the magnitude of the stock implementation."""

import pytest
import torch

from trivium.model.layer.position import RoPE
from trivium.model.layer.scaling import Dynamic, Linear, Llama3, LongRoPE, NoScaling, Scaling, YaRN

CASES = {
    "none": (NoScaling(), {"rope_type": "default"}),
    "linear": (Linear(factor=3.0), {"rope_type": "linear", "factor": 3.0}),
    "dynamic": (Dynamic(factor=3.0, original_context=64), {"rope_type": "dynamic", "factor": 3.0}),
    "yarn": (YaRN(factor=8.0, original_context=64), {"rope_type": "yarn", "factor": 8.0}),
    "yarn-set": (
        YaRN(factor=8.0, original_context=64, beta_fast=8.0, beta_slow=2.0, attention_factor=1.3, truncate=False),
        {
            "rope_type": "yarn",
            "factor": 8.0,
            "beta_fast": 8.0,
            "beta_slow": 2.0,
            "attention_factor": 1.3,
            "truncate": False,
        },
    ),
    "llama3": (
        Llama3(factor=4.0, original_context=64),
        {"rope_type": "llama3", "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0},
    ),
}
SHORT, LONG = tuple(1 + i / 20 for i in range(24)), tuple(2 + i / 5 for i in range(24))
LONGROPE = {"rope_type": "longrope", "short_factor": [*SHORT], "long_factor": [*LONG]}
LENGTHS = {"factor": 8.0, "original_context": 64, "short_factor": SHORT, "long_factor": LONG}
CASES |= {
    "longrope": (LongRoPE(**LENGTHS), {**LONGROPE, "factor": 8.0}),
    "longrope-set": (LongRoPE(**LENGTHS, attention_factor=1.7), {**LONGROPE, "factor": 8.0, "attention_factor": 1.7}),
}


@pytest.mark.parametrize("length", [10, 64, 65, 200])
@pytest.mark.parametrize("name", CASES)
def test_rotation_is_that_of_stock(name: str, length: int) -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is the oracle")
    stock = pytest.importorskip("transformers.models.llama.modeling_llama")
    scaling, parameters = CASES[name]
    parameters = {"rope_theta": 5000.0, "original_max_position_embeddings": 64, **parameters}
    config = transformers.LlamaConfig(
        hidden_size=96, num_attention_heads=2, max_position_embeddings=64, rope_parameters=parameters
    )
    positions = torch.arange(length)[None]
    cos, sin = stock.LlamaRotaryEmbedding(config)(torch.zeros(1), positions)
    ours = RoPE(theta=5000.0, scaling=scaling).relative(2, 48).rotation(positions)
    assert torch.allclose(ours.cos[:, 0], cos, atol=1e-4) and torch.allclose(ours.sin[:, 0], sin, atol=1e-4)
    assert ours.cos.dtype == torch.float32


def test_every_scaling_is_compared() -> None:
    assert {name.split("-")[0] for name in CASES} == set(Scaling.kinds)


@pytest.mark.parametrize("kind", Scaling.kinds)
def test_a_width_of_two_has_one_finite_frequency(kind: str) -> None:
    rotation = RoPE(scaling={"kind": kind}).relative(1, 2).rotation(torch.arange(9000)[None])
    assert rotation.cos.shape == (1, 1, 9000, 2) and rotation.cos.isfinite().all()


def test_dynamic_changes_nothing_within_its_context() -> None:
    plain, dynamic = RoPE().relative(1, 16), RoPE(scaling=Dynamic(original_context=64)).relative(1, 16)
    within, beyond = torch.arange(64)[None], torch.arange(65)[None]
    assert torch.equal(plain.rotation(within).cos, dynamic.rotation(within).cos)
    assert not torch.equal(plain.rotation(beyond).cos, dynamic.rotation(beyond).cos)
