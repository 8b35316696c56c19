"""What a model makes of held-out rows: sums until the end, so the batch size and the ranks change nothing."""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import torch
from torch import nn

from trivium.base.batch import Batch
from trivium.model.device import place
from trivium.train.loss.loss import Loss
from trivium.train.loss.token import TokenLoss
from trivium.train.parallel import World


@dataclass(frozen=True)
class Evaluation:
    """The evaluation of a language model."""

    loss: float
    """Mean nats per target."""
    targets: int
    bits_per_byte: float | None = None
    """Bits per UTF-8 byte of the original text; targets that are control tokens do not count."""

    @property
    def perplexity(self) -> float:
        """exp of the mean loss."""
        return math.exp(min(self.loss, 700.0))

    def record(self) -> dict[str, float | int | None]:
        """The score as plain data."""
        return {**asdict(self), "perplexity": self.perplexity}


@torch.no_grad()
def evaluate(
    model: nn.Module,
    batches: Iterable[Batch],
    world: World = World(),
    text_bytes: int | None = None,
    special: frozenset[int] = frozenset(),
    precision: torch.dtype = torch.float32,
    loss: Loss = TokenLoss(),
) -> Evaluation:
    """Score a model on batches by `loss`; `text_bytes` is the size in bytes of the text they were made of."""
    training = model.training
    model.eval()
    total = content = count = 0.0
    specials = torch.tensor(sorted(special), dtype=torch.long, device=world.device)
    for batch in batches:
        batch = place(batch, world.device)
        with torch.autocast(world.device.type, dtype=precision, enabled=precision != torch.float32):
            _, losses, targets = loss(model.head, model(batch), batch)
        losses = losses.double()
        total += float(losses.sum())
        if text_bytes:
            content += float(losses[~torch.isin(targets, specials)].sum())
        count += len(losses)
    model.train(training)
    total, content, count = world.sum(total, content, count)
    bits = content / math.log(2) / text_bytes if text_bytes else None
    return Evaluation(total / count if count else float("nan"), int(count), bits)
