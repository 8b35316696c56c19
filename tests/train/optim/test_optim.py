import pytest
import torch
from torch import nn

import tiny
from trivium.base.batch import collate
from trivium.base.seeds import generator
from trivium.base.types import Example
from trivium.model.device import place
from trivium.model.presets import PRESETS
from trivium.train.loss.token import TokenLoss
from trivium.train.optim.adamw import AdamW
from trivium.train.optim.muon import Muon
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


def test_the_norm_of_a_gradient_in_bfloat16_is_that_of_its_numbers():
    weight = nn.Parameter(torch.zeros(3, 1 << 21))
    weight.grad_dtype = None
    weight.grad = torch.randn(3, 1 << 21).bfloat16()
    expected = torch.linalg.vector_norm(weight.grad.double())
    assert float(total_norm([weight])) == pytest.approx(float(expected), rel=1e-5)


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


def moved(optim, init, width, tie, steps=4):
    """The root mean square of how far the scores of a model of this width move in some steps on the same rows."""
    heads = {"heads": width // 16, "kv_heads": None}
    model = tiny.model(tree={"hidden_size": width, "init": init, "tie": tie}, **heads).train()
    optimizer = optim.build(model)
    texts = generator(0).integers(3, 64, (16, 17))
    batch = place(collate([[Example(dec=ids[:-1], targets={"token": ids[1:]})] for ids in texts], pad=0))
    with torch.no_grad():
        before = model.logits(model(batch))
    for _ in range(steps):
        total, losses, _ = TokenLoss()(model.head, model(batch), batch)
        (total / len(losses)).backward()
        for group in optimizer.param_groups:
            group["lr"] = optim.lr * group.get("lr_scale", 1.0)
        optimizer.step()
        optimizer.zero_grad()
    with torch.no_grad():
        return float((model.logits(model(batch)) - before).square().mean().sqrt())


@pytest.mark.parametrize("tie", [True, False])
@pytest.mark.parametrize("optim", [AdamW(lr=3e-3), Muon(lr=3e-3)], ids=lambda optim: optim.kind)
def test_with_mup_a_step_moves_scores_as_far_at_every_width(optim, tie):
    """The coordinate check of Yang et al. 2022."""
    base = {"kind": "mup", "base_size": 32}
    narrow, wide, unlike = (moved(optim, *case, tie) for case in ((base, 32), (base, 256), ("scaled", 256)))
    assert narrow / 1.7 < wide < 1.7 * narrow and unlike > 3 * narrow


@pytest.mark.parametrize("optim", [AdamW(weight_decay=0.2), Muon(weight_decay=0.2)], ids=lambda optim: optim.kind)
def test_a_rate_by_width_leaves_the_share_that_decays(optim):
    model = tiny.model(tree={"tie": True, "init": {"kind": "mup", "base_size": 8}})
    groups, last = optim.build(model).param_groups, model.decoder.norm.weight
    assert sorted(id(p) for g in groups for p in g["params"]) == sorted(map(id, model.parameters()))
    for group in groups:
        scale = group.get("lr_scale", 1.0)
        wide = any(p is last or (p.ndim > 1 and p is not model.tokens.weight) for p in group["params"])
        assert scale == (1.0 if not wide else 0.5 if group.get("muon") else 0.25)
        assert group["weight_decay"] * scale in (0.0, 0.2)
    plain = optim.build(tiny.model(tree={"init": "scaled"})).param_groups
    assert all(group.get("lr_scale", 1.0) == 1.0 for group in plain)
