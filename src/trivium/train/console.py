"""What the console says of a step beside its number and the time left: speed, MFU, loss, gradient norm, memory.

MFU is the model's FLOPs a second as a share of those of a plain matrix product on the same device, in the type of the
run. The FLOPs are those of `model/size`, padding included; what is computed again counts once. The seconds are all of
the run: loading, evaluation and saving too.
"""

from collections.abc import Sequence

import torch
from torch import nn

from trivium.base.batch import Batch
from trivium.base.log import Progress, figures, say
from trivium.model.config import ModelConfig
from trivium.model.device import PRODUCT, product_flops
from trivium.model.size import step_flops
from trivium.train.parallel.world import World
from trivium.train.step import Step


class Console:
    """The words of the steps of one run."""

    def __init__(self, model: nn.Module, precision: torch.dtype, world: World, start: Step) -> None:
        """`start` is the step from which the run goes on; a model without a config has no MFU."""
        config = getattr(model, "config", None)
        self.config = config if isinstance(config, ModelConfig) else None
        self.precision, self.world, self.start = precision, world, start
        self.share = 0.0
        """The MFU that one token a second is, once it was measured."""

    def line(self, bar: Progress, last: Step, batches: Sequence[Batch]) -> str:
        """Return the words of a step, which was taken on some batches."""
        tokens = last.tokens - self.start.tokens
        words = [f"{bar.rate(tokens, 'tokens')}", f"loss {last.loss:.3f}", f"gradient norm {last.norm:.3g}"]
        if self.config is not None and tokens:
            self.share = self.share or self._measured(self.config, batches)
            words.insert(1, f"MFU {figures(100 * self.share * tokens / bar.seconds)}%")
        return ", ".join([*words, f"{last.memory / 2**20:,.0f} MiB"] if last.memory else words)

    def _measured(self, config: ModelConfig, batches: Sequence[Batch]) -> float:
        """Measure a product, say what MFU is here, and return that of one token a second."""
        kind = self.world.device.type
        peak, name = product_flops(self.precision, kind), "bf16" if self.precision == torch.bfloat16 else "fp32"
        size = f"{PRODUCT.get(kind, 1024):,}"
        most = f"{figures(peak / 1e9)} GFLOP/s a process, a product of {size} x {size} in {name} as measured here"
        say(f"MFU: FLOPs of the model (6 a weight and position, and attention) as a share of {most}")
        return step_flops(config, batches) / sum(batch.tokens() for batch in batches) / (peak * self.world.size)
