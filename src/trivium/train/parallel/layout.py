"""The layout of processes: which read other rows, and which share one model. One description for training and plan."""

from typing import NamedTuple

from pydantic import Field

from trivium.base.config import Config
from trivium.base.errors import ConfigError
from trivium.model.config import ModelConfig


class ProcessGrid(NamedTuple):
    """The processes of a run as a grid; the rank counts `tensor` fastest. A grid of copies alone splits nothing."""

    replicate: int = 1
    """Copies of the whole model, which average their gradients."""
    shard: int = 1
    """Processes that share each copy, weight by weight, and read rows of their own (FSDP)."""
    tensor: int = 1
    """Processes that compute each matrix together, on the same rows."""

    @property
    def splits(self) -> bool:
        """Whether no process has the whole model."""
        return self.shard > 1 or self.tensor > 1

    @property
    def readers(self) -> int:
        """How many processes read rows of their own."""
        return self.replicate * self.shard


class Parallelism(Config):
    """How a model is laid over the processes of a run; by default each has a whole copy."""

    shard: int = Field(1, ge=0, le=1 << 20)
    """Processes over which weights, gradients and optimizer states are split (FSDP2); 0 is all, 1 none."""
    tensor: int = Field(1, gt=0, le=1 << 16)
    """Processes that compute each matrix of attention, feed-forward, table and head together (tensor parallelism)."""
    save_async: bool = False
    """Whether a split model is saved while it goes on: its state is copied first, so that needs memory."""

    def grid(self, processes: int) -> ProcessGrid:
        """Return the grid of so many processes. A ConfigError says where they do not divide."""
        shard = self.shard or max(1, processes // self.tensor)
        if processes % (shard * self.tensor):
            raise ConfigError(
                f"parallel: shard={shard} x tensor={self.tensor} is {shard * self.tensor} processes, which do not "
                f"divide the {processes} of this run; start a multiple of them (--processes), or change parallel"
            )
        return ProcessGrid(processes // (shard * self.tensor), shard, self.tensor)

    @property
    def splits(self) -> bool:
        """Whether it asks for a model that is split."""
        return self.shard != 1 or self.tensor != 1


def evenly(config: ModelConfig, size: int) -> None:
    """Raise a ConfigError that names the first size of a model which so many processes cannot share evenly."""
    sizes = {"model.vocab_size": config.vocab_size if config.texts else size}
    for name, stack in config.stacks.items():
        sizes[f"model.{name}.heads"] = stack.heads
        sizes[f"model.{name}.kv_heads"] = stack.kv_heads or stack.heads
        sizes[f"model.{name}.ffn.size"] = stack.ffn.width(config.width(name))
    for name, found in sizes.items():
        if found % size:
            raise ConfigError(
                f"{name}: {found} cannot be shared evenly by the {size} processes of parallel.tensor; "
                "change one of the two"
            )
