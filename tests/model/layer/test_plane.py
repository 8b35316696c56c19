"""Positions of two axes against the stock models that have them, and against their definitions."""

import pytest
import torch

from trivium.model.layer.plane import RoPE2D, Sinusoid2D
from trivium.model.layer.position import RoPE, Sinusoid, rotate

PLACES = torch.cartesian_prod(torch.arange(3), torch.arange(4))[None]
POSITIONS = torch.arange(5)[None]


def test_sinusoids_are_those_of_the_stock_masked_autoencoder() -> None:
    stock = pytest.importorskip("transformers")
    config = stock.ViTMAEConfig(hidden_size=16, num_attention_heads=1, num_hidden_layers=1, image_size=8, patch_size=2)
    embeddings = stock.ViTMAEModel(config).embeddings
    for part in (*embeddings.modules(), *embeddings.parameters()):
        part._is_hf_initialized = False  # else the stock class leaves the table as it is
    embeddings.initialize_weights()
    expected = embeddings.position_embeddings[0, 1:]
    square = torch.cartesian_prod(torch.arange(4), torch.arange(4))[None]
    assert torch.allclose(Sinusoid2D().additive(0, 16)(square)[0], expected, atol=1e-6)


def test_rotations_are_those_of_the_eyes_of_qwen2_vl() -> None:
    stock = pytest.importorskip("transformers.models.qwen2_vl.modeling_qwen2_vl")
    config = pytest.importorskip("transformers").Qwen2VLConfig().vision_config
    config.embed_dim, config.num_heads = 32, 2
    made = stock.Qwen2VLVisionRotaryEmbedding(config)
    q, k = torch.randn(2, 12, 2, 16, generator=torch.Generator().manual_seed(0))
    cos, sin = made(q, PLACES[0])
    expected, _ = stock.apply_rotary_pos_emb_vision(q, k, cos, sin)
    found = rotate(q.transpose(0, 1)[None], RoPE2D().relative(2, 16).rotation(PLACES))
    assert torch.allclose(found[0].transpose(0, 1), expected, atol=1e-6)


def test_scores_depend_on_distances_in_both_axes_alone() -> None:
    turn = RoPE2D(theta=100.0).relative(1, 8).rotation
    q, k = torch.randn(2, 1, 1, 1, 8, generator=torch.Generator().manual_seed(1))

    def score(a: list[int], b: list[int]) -> float:
        return float((rotate(q, turn(torch.tensor([[a]]))) * rotate(k, turn(torch.tensor([[b]])))).sum())

    assert score([2, 5], [4, 1]) == pytest.approx(score([0, 4], [2, 0]), abs=1e-5)
    assert score([2, 5], [4, 1]) != pytest.approx(score([2, 5], [1, 4]), abs=1e-3)


def test_a_text_is_one_row() -> None:
    row = torch.stack([POSITIONS * 0, POSITIONS], dim=-1)
    for kind, width in ((Sinusoid2D(), 16), (Sinusoid2D(), 18)):
        module = kind.additive(0, width)
        assert torch.equal(module(POSITIONS), module(row)) and module(row).shape == (1, 5, width)
    assert torch.equal(Sinusoid2D().additive(0, 16)(POSITIONS)[..., :8], Sinusoid().additive(0, 8)(POSITIONS))
    turn = RoPE2D().relative(1, 8).rotation
    assert all(torch.equal(a, b) for a, b in zip(turn(POSITIONS), turn(row), strict=True))
    wanted = RoPE().relative(1, 4).rotation(POSITIONS).cos[..., :2]
    assert torch.allclose(turn(POSITIONS).cos[..., 2:4], wanted)


def test_a_width_that_four_does_not_divide_is_turned_in_part() -> None:
    cos, _ = RoPE2D().relative(1, 10).rotation(PLACES)
    assert cos.shape == (1, 1, 12, 8)
