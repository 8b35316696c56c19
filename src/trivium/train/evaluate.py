"""The evaluation of a model on held-out rows. Losses are summed to the end, so batch size and ranks change nothing."""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import torch
from torch import nn

from trivium.base.batch import Batch
from trivium.base.process import Interrupted, asked
from trivium.model.device import place
from trivium.train.loss.loss import Loss
from trivium.train.loss.token import TokenLoss
from trivium.train.parallel.shard import scoring
from trivium.train.parallel.world import World


@dataclass(frozen=True)
class Evaluation:
    """The scores of a language model."""

    loss: float
    """Mean nats per target."""
    targets: int
    bits_per_byte: float | None = None
    """Bits per UTF-8 byte of the original text; targets that are special tokens do not count."""
    samples: tuple[str, ...] = ()
    """What the model wrote after each prompt of the recipe's `samples`."""

    @property
    def perplexity(self) -> float:
        """Return exp(loss)."""
        return math.exp(min(self.loss, 700.0))

    def record(self) -> dict[str, float | int | None]:
        """Return the scores as plain data."""
        scores = {name: value for name, value in asdict(self).items() if name != "samples"}
        return {**scores, "perplexity": self.perplexity}


def evaluate(
    model: nn.Module,
    batches: Iterable[Batch],
    world: World = World(),
    text_bytes: int | None = None,
    special: frozenset[int] = frozenset(),
    precision: torch.dtype = torch.float32,
    loss: Loss = TokenLoss(),
) -> Evaluation:
    """Score a model on this rank's batches by `loss`, summed over all ranks.

    `text_bytes` is the size in bytes of the text that the batches were made of; `special` are the ids of special
    tokens, which do not count in bits per byte. Interrupted, on all ranks, where one was asked to stop.
    """
    totals, contents, count = list[float](), list[float](), 0
    specials = torch.tensor(sorted(special), dtype=torch.long, device=world.device)
    with scoring(model):
        for batch in batches:
            if asked() if world.mesh is None else world.sum(float(asked()))[0]:  # all go through a split model
                break
            batch = place(batch, world.device)
            with world.autocast(precision):
                _, losses, targets = loss.over(model, model.head, batch)
            losses = losses.double()
            totals.append(float(losses.sum()))
            if text_bytes:
                contents.append(float(losses[~torch.isin(targets, specials)].sum()))
            count += len(losses)
    if world.sum(float(asked()))[0]:
        raise Interrupted("stopped in an evaluation")
    # The sum of all batches, rounded once, is that of any number of ranks.
    total, content = (math.fsum(world.every(sums if world.speaks else [])) for sums in (totals, contents))
    count = int(world.total(count)[0])
    bits = content / math.log(2) / text_bytes if text_bytes else None
    return Evaluation(total / count if count else float("nan"), count, bits)
