"""Scores, and the contract of every head over a vocabulary: features, weight, bias, softcap."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from trivium.model.layer.head import LM, MLM, Head, Hidden
from trivium.model.layer.norm import LayerNorm

H = torch.randn(5, 8, generator=torch.Generator().manual_seed(0))
KINDS = [kind() for kind in Head.kinds.values() if kind.__module__ == "trivium.model.layer.head"]
CONFIGS = [*KINDS, LM(bias=True, softcap=3.0), LM(scale=True), MLM(bias=False, dense_bias=False)]


@pytest.mark.parametrize("config", [c for c in CONFIGS if not isinstance(c, Hidden)], ids=str)
def test_scores_are_what_the_loss_computes_of_the_parts(config: Head) -> None:
    """The loss goes through features, weight, bias and softcap in chunks; that must be the head itself."""
    table = nn.Parameter(torch.randn(11, 8))
    head = config.build(8, 11, table)
    assert head.weight is table
    if head.bias is not None:
        nn.init.normal_(head.bias)
    scores = F.linear(head.features(H), head.weight, head.bias)
    scores = scores if head.softcap is None else head.softcap * torch.tanh(scores / head.softcap)
    assert torch.allclose(head(H), scores) and head(H).dtype == torch.float32
    assert torch.allclose(head.features(H[2:3]), head.features(H)[2:3], atol=1e-6), "features of a row need no other"


def test_an_untied_head_has_a_matrix_of_its_own() -> None:
    assert LM().build(8, 11, None).weight.shape == (11, 8)


def test_scaled_features_are_divided_by_the_root_of_the_width() -> None:
    assert torch.allclose(LM(scale=True).build(8, 11, None).features(H), H / 8**0.5)


def test_masked_features_pass_a_layer_and_a_norm() -> None:
    head = MLM(norm=LayerNorm(eps=1e-3)).build(8, 11, None)
    assert torch.allclose(head.features(H), head.norm(F.gelu(head.dense(H))))


def test_scores_never_pass_the_softcap() -> None:
    head = LM(softcap=2.0).build(8, 11, nn.Parameter(100 * torch.randn(11, 8)))
    assert head(H).abs().max() <= 2.0


def test_no_head_gives_hidden_states() -> None:
    assert Hidden().build(8, 11, None)(H) is H
