"""Where norms and additions stand, and every kind in a model that trains, is cached and is packed."""

import pytest
import torch
from torch import nn

import tiny
from trivium.base.batch import collate
from trivium.base.types import Example
from trivium.infer.generate import generate
from trivium.infer.request import Request
from trivium.model.device import place
from trivium.model.layer.norm import LayerNorm, RMSNorm
from trivium.model.layer.residual import Parallel, Post, Pre, Residual, Sandwich

KINDS = [kind() for kind in Residual.kinds.values() if kind.__module__.startswith("trivium.")]
X = torch.randn(2, 3, 8, generator=torch.Generator().manual_seed(0))
SUBLAYERS = [lambda h: 2 * h, lambda h: h.flip(-1), torch.tanh]


def stream(config: Residual, sublayers: int = 3, layer: int = 1) -> nn.Module:
    made = config.build(LayerNorm(), 8, sublayers, layer, 0.0)
    for norm in made.norms:
        for parameter in norm.parameters():
            nn.init.normal_(parameter)
    return made


def test_the_formulas() -> None:
    def by_hand(config: Residual) -> torch.Tensor:
        made, x = stream(config), X
        n = list(made.norms)
        match config:
            case Pre():
                for norm, f in zip(n, SUBLAYERS, strict=True):
                    x = x + f(norm(x))
            case Post():
                for norm, f in zip(n, SUBLAYERS, strict=True):
                    x = norm(x + f(x))
            case Sandwich():
                for at, f in enumerate(SUBLAYERS):
                    x = x + n[2 * at + 1](f(n[2 * at](x)))
            case Parallel():
                x = x + sum(f(n[0](x)) for f in SUBLAYERS)
        assert torch.allclose(made(X, SUBLAYERS), x, atol=1e-6)
        return x

    found = [by_hand(config) for config in (Pre(), Post(), Sandwich(), Sandwich(before=False), Parallel())]
    assert all(not torch.allclose(a, b) for at, a in enumerate(found) for b in found[:at])


def test_a_sandwich_may_lack_its_upper_half() -> None:
    made, x = stream(Sandwich(before=False)), X
    assert [isinstance(norm, nn.Identity) for norm in made.norms] == [True, False] * 3
    for norm, f in zip(list(made.norms)[1::2], SUBLAYERS, strict=True):
        x = x + norm(f(x))
    assert torch.allclose(made(X, SUBLAYERS), x, atol=1e-6)


def test_only_the_first_layer_may_lack_its_first_norm() -> None:
    first, second = (stream(Pre(first=False), layer=layer) for layer in (0, 1))
    assert isinstance(first.norms[0], nn.Identity) and not isinstance(first.norms[1], nn.Identity)
    assert not isinstance(second.norms[0], nn.Identity)


@pytest.mark.parametrize("config", KINDS, ids=lambda config: config.kind)
def test_every_kind_trains_and_ends_with_a_norm(config: Residual) -> None:
    model = tiny.model("llama", residual=config)
    assert isinstance(model.decoder.norm, nn.Identity) == isinstance(config, Post)
    batch = place(collate([[tiny.example(9, 9)]], pad=0))
    model.logits(model(batch)).square().sum().backward()
    assert torch.isfinite(tiny.gradients(model)).all()


@pytest.mark.parametrize("preset", ["llama", "t5"])
@pytest.mark.parametrize("config", KINDS, ids=lambda config: config.kind)
def test_every_kind_with_a_cache_and_without(preset: str, config: Residual) -> None:
    model = tiny.model(preset, residual=config).eval()
    prompt = [[5, 6, 7]]
    sources = [[9, 10, 11, 12]] if preset == "t5" else None
    found = generate(model, Request(prompt, max_new_tokens=6, sources=sources))[0].ids
    ids = list(prompt[0])
    for _ in range(6):
        enc = None if sources is None else torch.tensor(sources[0]).numpy()
        batch = place(collate([[Example(enc=enc, dec=torch.tensor(ids).numpy())]], pad=0))
        with torch.no_grad():
            ids.append(int(model.logits(model(batch))[0, -1].argmax()))
    assert found == ids[3:]


@pytest.mark.parametrize("config", KINDS, ids=lambda config: config.kind)
def test_documents_of_a_row_do_not_meet(config: Residual) -> None:
    model = tiny.model("llama", residual=config, norm=RMSNorm()).eval()
    a, b = tiny.example(5, 5), tiny.example(7, 7)
    with torch.no_grad():
        both, alone = model(place(collate([[a, b]], pad=0))), model(place(collate([[b]], pad=0)))
    assert torch.allclose(both[0, 5:], alone[0], atol=1e-5)
