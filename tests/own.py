"""A person's own file: a kind named `house` of every axis. Each notes in USED that it was used.

Nothing in `src` knows these names. `test_one_file` imports the file as `imports = ["own.py"]` does.
"""

from dataclasses import replace

import torch
from torch import nn

from trivium.base.errors import DataError
from trivium.base.types import Example
from trivium.corpus import engine
from trivium.corpus.clean import filter
from trivium.corpus.stages import attempt
from trivium.model import init
from trivium.model.attention import kernel, pattern
from trivium.model.layer import embed, ffn, head, norm, position, residual
from trivium.objective import objective
from trivium.token import template
from trivium.train import schedule
from trivium.train.loss import loss, token
from trivium.train.optim import optim
from trivium.train.track import tracker

USED: set[str] = set()


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
        if not torch.compiler.is_compiling():  # FlexAttention compiles it, and a predicate has no side effects
            USED.add("pattern")
        distance = q.position - k.position
        return (distance >= 0) & (distance % 2 == 0)


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


class Negative(embed.PatchEmbed, kind="house_pictures"):
    """Patches as on a film."""

    def build(self, *sizes):
        USED.add("pictures")
        return Film(super().build(*sizes))


class Film(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, stream, *rest):
        patches = None if stream.patches is None else -stream.patches
        return self.inner(replace(stream, patches=patches), *rest)


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


class Noted(tracker.Tracker, kind="house"):
    """A note that a record came."""

    module = "json"

    def begin(self, run):
        return tracker.Sink(lambda record: USED.add("tracker"), lambda: None, "in memory")


class Spoken(template.Template, kind="house"):
    """The speaker and what is said."""

    @property
    def source(self):
        USED.add("template")
        end = "{{- '</s>' if m['role'] == 'assistant' -}}"
        return "{%- for m in messages -%}{{- m['role'] + ': ' + m['content'] -}}" + end + "{%- endfor -%}"


class Mild(filter.Filter, kind="house"):
    """No text that shouts."""

    def reason(self, text):
        USED.add("filter")
        return "shouted" if text.isupper() else None


class Queue(engine.Engine, kind="house"):
    """One shard after the other, in this process."""

    def do(self, work, stage, shards, done):
        USED.add("engine")
        for count, shard in enumerate(shards, start=1):
            if why := attempt(str(work.data), stage.name, shard):
                raise DataError(why)
            done(count)
