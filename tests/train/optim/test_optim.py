import pytest
import torch
from torch import nn

import tiny
from trivium.model.presets import PRESETS
from trivium.train.optim.adamw import AdamW
from trivium.train.optim.optim import Optim, clip, groups, total_norm


def names(model):
    """The names in each group: decay, no_decay."""
    of = {id(p): name for name, p in model.named_parameters()}
    return tuple([of[id(p)] for p in group] for group in groups(model))


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_every_trainable_parameter_is_in_exactly_one_group(preset):
    model = tiny.model(preset)
    for kind in Optim.kinds.values():
        held = [id(p) for group in kind().build(model).param_groups for p in group["params"]]
        assert sorted(held) == sorted(id(p) for p in model.parameters())


def test_norms_biases_and_embeddings_do_not_decay():
    decay, no_decay = names(tiny.model("gpt2", tree={"head": {"kind": "lm", "bias": True}}))
    assert all(name.endswith(".weight") and "norm" not in name for name in decay)
    assert len(decay) == 2 * 6  # q, k, v, o, up, down of both layers
    assert "tokens.weight" in no_decay and any("position" in name for name in no_decay)
    assert all("norm" in name or name.endswith(".bias") or name in no_decay[:2] for name in no_decay)


def test_a_tied_head_is_an_embedding_and_an_untied_one_is_not():
    tied, untied = tiny.model(tree={"tie": True}), tiny.model(tree={"tie": False})
    assert "head.weight" in names(untied)[0] and "tokens.weight" in names(untied)[1]
    assert "tokens.weight" in names(tied)[1] and not any("head" in name for part in names(tied) for name in part)


def test_what_is_frozen_is_left_alone():
    model = tiny.model()
    model.tokens.weight.requires_grad_(False)
    decay, no_decay = names(model)
    assert "tokens.weight" not in decay + no_decay
    for p in model.parameters():
        p.requires_grad_(p.ndim > 1)
    assert len(AdamW().build(model).param_groups) in (1, 2)


@pytest.mark.parametrize("most", [0.0, 0.5, 100.0])
@pytest.mark.parametrize("kind", ["adamw", "sgd"])
def test_clipping_is_that_of_torch(kind, most):
    """The fused step divides as it reads; another optimizer finds smaller gradients."""
    ours, theirs = (nn.Linear(5, 7) for _ in range(2))
    theirs.load_state_dict(ours.state_dict())
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        a.grad = torch.randn_like(a)
        b.grad = a.grad.clone()
    norm = total_norm(ours.parameters())
    assert torch.allclose(norm, nn.utils.clip_grad_norm_(theirs.parameters(), most or torch.inf))
    for layer, clips in ((ours, True), (theirs, False)):
        made = AdamW(lr=0.1, eps=0.9).build(layer) if kind == "adamw" else torch.optim.SGD(layer.parameters(), 0.1)
        if clips:
            clip(made, layer.parameters(), float(norm), most)
        made.step()
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))


def test_the_norm_of_gradients_in_bfloat16_is_float32():
    layer = nn.Linear(64, 64)
    for p in layer.parameters():
        p.grad_dtype = None
        p.grad = torch.full_like(p, 0.3, dtype=torch.bfloat16)
    wanted = float(torch.tensor(0.3).bfloat16()) * (64 * 65) ** 0.5
    assert float(total_norm(layer.parameters())) == pytest.approx(wanted, rel=1e-5)
    assert float(total_norm([nn.Parameter(torch.ones(1))])) == 0
