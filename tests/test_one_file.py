"""A new kind of every axis in one file, and a step of training with all of them together.

Nothing in `src` knows these names. If one of them needed an enum, an elif or a list to be extended, this fails.
"""

import json

import pytest
import torch
from torch import nn

import tiny
from places import causal, packed, patterns
from trivium.base.config import Choice, dump, parse
from trivium.base.types import Example
from trivium.model import init
from trivium.model.attention import kernel, pattern
from trivium.model.attention.view import View
from trivium.model.layer import embed, ffn, head, norm, position, residual
from trivium.model.transformer import Transformer
from trivium.objective import objective
from trivium.train import optim, schedule
from trivium.train.loop import train
from trivium.train.loss import loss, token
from trivium.train.recipe import Recipe

FAMILIES: dict[str, type[Choice]] = {
    "norm": norm.Norm,
    "ffn": ffn.FFN,
    "position": position.Position,
    "scaling": position.Scaling,
    "pattern": pattern.Pattern,
    "residual": residual.Residual,
    "kernel": kernel.Kernel,
    "init": init.Init,
    "embed": embed.Embed,
    "head": head.Head,
    "objective": objective.Objective,
    "loss": loss.Loss,
    "optim": optim.Optim,
    "schedule": schedule.Schedule,
}
USED: set[str] = set()
KERNELS = [pytest.param(kind, marks=pytest.mark.slow if kind == "flex" else ()) for kind in sorted(kernel.Kernel.kinds)]


def declare() -> None:
    """Let one kind named `house` join every family; each notes that it was used."""

    class Derf(norm.Norm, kind="house"):
        """erf(alpha x) in place of a norm."""

        alpha: float = 0.5

        def build(self, size):
            USED.add("norm")
            return Erf(self.alpha, size)

    class Erf(nn.Module):
        def __init__(self, alpha, size):
            super().__init__()
            self.alpha = nn.Parameter(torch.tensor(alpha))
            self.weight = nn.Parameter(torch.ones(size))

        def forward(self, x):
            return torch.erf(self.alpha * x) * self.weight

    class Bottleneck(ffn.FFN, kind="house"):
        """An inner width that is smaller."""

        def width(self, hidden_size):
            return hidden_size // 2

        def build(self, hidden_size):
            USED.add("ffn")
            inner = self.width(hidden_size)
            return nn.Sequential(nn.Linear(hidden_size, inner), nn.Tanh(), nn.Linear(inner, hidden_size))

    class Ramp(position.Position, kind="house"):
        """One trained vector times the position."""

        def additive(self, context, hidden_size):
            USED.add("position")
            return Times(context, hidden_size)

    class Times(nn.Module):
        def __init__(self, context, hidden_size):
            super().__init__()
            self.context, self.slope = context, nn.Parameter(torch.zeros(hidden_size))

        def forward(self, positions):
            return positions[..., None] / self.context * self.slope

    class Halved(position.Scaling, kind="house"):
        """Half of every frequency."""

        def scale(self, frequency, *_):
            USED.add("scaling")
            return frequency / 2

    class Even(pattern.Pattern, kind="house"):
        """The past, at even distances only."""

        def allow(self, q, k):
            distance = q.position - k.position
            return (distance >= 0) & (distance % 2 == 0)

        @property
        def keep(self):
            USED.add("pattern")  # not in `allow`, which FlexAttention compiles: a predicate has no side effects
            return super().keep

    class Gate(residual.Residual, kind="house"):
        """A trained share of every sublayer."""

        def build(self, norm, size, sublayers, *rest):
            USED.add("residual")
            stream = Gated([norm.build(size) for _ in range(sublayers)], dropout=0.0)
            stream.share = nn.Parameter(torch.ones(sublayers))
            return stream

    class Gated(residual.ResidualStream):
        def forward(self, x, sublayers):
            for share, normed, sublayer in zip(self.share, self.norms, sublayers, strict=True):
                x = x + share * self.dropout(sublayer(normed(x)))
            return x

    class Linear(kernel.Kernel, kind="house"):
        """Scores without a softmax."""

        def attend(self, q, k, v, view, scale, dropout=0.0, softcap=None):
            USED.add("kernel")
            scores = torch.sigmoid(q @ k.transpose(-1, -2) * scale) * view.mask
            return scores @ v

    class Wide(init.Init, kind="house"):
        """One deviation for all."""

        def linear(self, *sizes):
            USED.add("init")
            return 0.05

        def output(self, *sizes):
            return 0.05

    class Loud(embed.Embed, kind="house"):
        """The stock input, doubled."""

        def build(self, *sizes):
            USED.add("embed")
            return Doubled(embed.Tokens().build(*sizes))

    class Doubled(nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, *arguments):
            return 2 * self.inner(*arguments)

    class Bent(head.LM, kind="house"):
        """A tanh before the matrix."""

        def build(self, *sizes):
            USED.add("head")
            made = super().build(*sizes)
            made.features = torch.tanh
            return made

    class Copy(objective.Objective, kind="house"):
        """Predict the token itself."""

        def piece(self, ids, following, vocabulary, rng):
            USED.add("objective")
            return Example(dec=ids, targets={"token": ids})

    class Doubt(token.TokenLoss, kind="house"):
        """Half of the cross-entropy."""

        def measure(self, *given):
            USED.add("loss")
            total, losses, targets = super().measure(*given)
            return loss.LossSum(total / 2, losses / 2, targets)

    class Descent(optim.Optim, kind="house"):
        """Plain gradient descent."""

        def build(self, model):
            USED.add("optim")
            return torch.optim.SGD(model.parameters(), lr=self.lr)

    class Square(schedule.Schedule, kind="house"):
        """A square."""

        def after(self, step, steps):
            USED.add("schedule")
            return 1 - (step / steps) ** 2


@pytest.fixture(scope="module", autouse=True)
def house():
    """The families grow for this file and are as before for all others."""
    before = {name: dict(family.kinds) for name, family in FAMILIES.items()}
    declare()
    yield
    for name, family in FAMILIES.items():
        family.kinds.clear()
        family.kinds.update(before[name])


TREE = {
    "data": {"path": ["nowhere"]},
    "objective": "house",
    "model": {
        "vocab_size": 64,
        "hidden_size": 32,
        "context": 64,
        "tie": False,
        "embed": "house",
        "head": "house",
        "init": "house",
        "kernel": "house",
        "decoder": {
            "layers": 2,
            "heads": 2,
            "norm": {"kind": "house", "alpha": 0.7},
            "ffn": "house",
            "pattern": "house",
            "position": ["house", {"kind": "rope", "scaling": "house"}],
            "residual": "house",
            "qk_norm": "house",
        },
    },
    "loss": {"kind": "house", "chunk_rows": 8},
    "optim": {"kind": "house", "lr": 0.1},
    "schedule": "house",
    "budget_steps": 2,
    "precision": "fp32",
}


def test_no_axis_is_missing_here():
    def below(cls):
        return {cls, *(inner for child in cls.__subclasses__() for inner in below(child))}

    families = {cls for cls in below(Choice) if Choice in cls.__bases__}
    mine = {cls for cls in families if cls.__module__.split(".")[1:2] in (["model"], ["objective"], ["train"])}
    assert mine <= set(FAMILIES.values())


def test_one_recipe_with_a_new_kind_of_everything_trains(tmp_path):
    recipe = parse(Recipe, TREE)
    folder = tiny.write_corpus(tmp_path / "data", tiny.documents([20, 9, 30, 14]))
    corpus = tiny.Corpus(folder, "train")
    rows = tiny.DocumentRows(corpus, recipe.objective, tiny.VOCABULARY, 16)
    torch.manual_seed(0)
    model = Transformer(recipe.model)
    reached = set()
    for name, p in model.named_parameters():
        p.register_hook(lambda grad, name=name: reached.add(name) if grad.any() else None)
    USED.difference_update({"objective", "loss", "optim", "schedule", "kernel", "pattern"})
    facts = train(model, tiny.loader(rows), recipe, 2, tmp_path)
    assert set(FAMILIES) == USED
    assert facts["finite"] and facts["skipped"] == 0 and facts["targets"] > 0
    assert reached == {name for name, _ in model.named_parameters()}


@pytest.mark.filterwarnings("ignore:flex_attention called without")
@pytest.mark.parametrize("kind", KERNELS)
def test_a_new_pattern_is_at_once_in_every_kernel(kind):
    """Packed and padded, over several blocks of FlexAttention, where the machine can run the kernel."""
    made = pattern.Pattern.parse("house")
    where = packed([[150, 90], [-20, 200]], 250)
    q, k, v = torch.randn(3, 2, 2, 250, 8)
    view = View(made, where, where)
    if (why := kernel.Kernel.kinds[kind]().refuse(kernel.Case(view, grad=False))) is not None:
        pytest.skip(f"{kind} {why}")
    found = kernel.Kernel.kinds[kind]().attend(q, k, v, view, 8**-0.5)
    assert torch.allclose(found, kernel.Eager().attend(q, k, v, view, 8**-0.5), atol=1e-5)
    whole = kernel.Eager().attend(q, k, v, View(pattern.Causal(), where, where), 8**-0.5)
    assert not torch.allclose(found, whole, atol=1e-2), "the pattern is causal alone"


def test_a_new_pattern_is_at_once_in_every_test():
    assert patterns()["house"] == pattern.Pattern.parse("house") == causal(patterns()["house"])
    assert patterns()["house"].draw(4) == "#...\n.#..\n#.#.\n.#.#"


def test_the_saved_recipe_is_read_back():
    recipe = parse(Recipe, TREE)
    again = parse(Recipe, json.loads(json.dumps(dump(recipe))))
    assert again == recipe and again.model.decoder.norm.alpha == 0.7


def test_a_copy_is_learned(tmp_path):
    """The kinds do what they say: a model that predicts its own input gets better at it."""
    recipe = parse(Recipe, {**TREE, "optim": {"kind": "house", "lr": 1.0}})
    folder = tiny.write_corpus(tmp_path / "data", tiny.documents([20, 9, 30, 14]))
    rows = tiny.DocumentRows(tiny.Corpus(folder, "train"), recipe.objective, tiny.VOCABULARY, 16)
    torch.manual_seed(0)
    model = Transformer(recipe.model)
    train(model, tiny.loader(rows), recipe.replace(log_every_steps=1), 100, tmp_path)
    losses = [json.loads(line)["loss"] for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert losses[-1] < losses[0] / 2
