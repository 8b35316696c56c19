"""The checkpoint files of a split model: each process writes its part of every tensor, in safetensors.

`torch.distributed.checkpoint` plans who writes and reads what, so a checkpoint of one layout is read on any other. Its
Hugging Face storage keeps shapes and places in the headers of the files; the `.metadata` of its own, which is a pickle,
is not written; only its plans travel as objects, between the processes of one run. Import this file where it is used:
PyTorch's distributed tensors cost seconds.
"""

import os
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed import checkpoint as dcp
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader, HuggingFaceStorageWriter
from torch.distributed.checkpoint.metadata import Metadata, TensorStorageMetadata

from trivium.base.errors import ModelError, TriviumError
from trivium.base.files import publishing, temporary
from trivium.model.weights import slots
from trivium.train.parallel.world import World


class PartWriter(HuggingFaceStorageWriter):
    """Writes the parts into a temporary folder, which the first process seals and renames when all have written."""

    def __init__(self, folder: Path, process: int, seal: Callable[[Path], None], prune: Callable[[], None]) -> None:
        """`process` is the number of the first process; `seal` completes the temporary folder, `prune` comes last."""
        self.folder, self.filled, self.seal, self.prune = folder, temporary(folder, process), seal, prune
        super().__init__(str(self.filled), save_distributed=True)

    def finish(self, metadata: Metadata, results: Any) -> None:
        with publishing(self.folder, self.filled):
            self.seal(self.filled)
        self.prune()


def save_parts(
    folder: Path,
    tensors: dict[str, Any],
    seal: Callable[[Path], None],
    prune: Callable[[], None],
    world: World,
    group: Any,
    later: bool,
) -> Callable[[], None]:
    """Begin to write a checkpoint; return what waits for its end, and raises TriviumError where it failed.

    With `later` the tensors are copied, and a thread writes them, whose processes meet in `group`. All must ask.
    """
    writer = PartWriter(folder, int(world.sum(float(os.getpid() * world.first))[0]), seal, prune)

    def end() -> None:
        try:
            if waited is not None:
                waited.result()  # type: ignore[union-attr]
        except CheckpointException as failed:
            raise refused(failed) from None

    def refused(failed: CheckpointException) -> TriviumError:
        if world.first:
            shutil.rmtree(writer.filled, ignore_errors=True)
        rank, (why, _) = min(failed.failures.items())
        told = str(why) if isinstance(why, TriviumError) else f"{folder}: cannot write: rank {rank}: {why}"
        return TriviumError(told if told.endswith("nothing was changed") else f"{told}; nothing was changed")

    waited = None
    try:
        if later:
            waited = dcp.async_save(tensors, storage_writer=writer, process_group=group)
        else:
            dcp.save(tensors, storage_writer=writer, process_group=group)
    except CheckpointException as failed:
        raise refused(failed) from None
    return end


def read_parts(folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Fill a model from a checkpoint of any layout, split or not; return what it keeps of the optimizer.

    Each process reads its own part. A ModelError names what does not fit.
    """
    reader = HuggingFaceStorageReader(str(folder))
    known: dict[str, Any] = dict(reader.read_metadata().state_dict_metadata)
    weights = {name: tensor.detach() for name, (tensor, _) in slots(model).items()}
    kept = {name: known.pop(name) for name in [*known] if name.partition(".")[0].isdigit()}
    if wrong := sorted(set(weights) ^ set(known)):
        what = "missing" if wrong[0] in weights else "unexpected"
        raise ModelError(f"{folder}: {what} weight {wrong[0]!r} ({len(wrong)} keys differ); is it another model's?")
    for name, tensor in weights.items():
        if known[name].size != tensor.shape:
            raise ModelError(f"{folder}: {name}: expected shape {[*tensor.shape]}, found {[*known[name].size]}")
    trained = [one for group in optimizer.param_groups for one in group["params"]]
    states = {key: room(found, trained, int(key.partition(".")[0])) for key, found in kept.items()}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that one process reads alone is what is meant
            dcp.load({**weights, **states}, storage_reader=reader, no_dist=True)
    except CheckpointException as failed:
        raise ModelError(f"{folder}: cannot read: {next(iter(failed.failures.values()))[0]}") from None
    return states


def room(found: TensorStorageMetadata, trained: list[nn.Parameter], index: int) -> Tensor:
    """Return an empty tensor for a state of a parameter: split as the parameter is, where it has its shape."""
    dtype = found.properties.dtype
    if index < len(trained) and found.size == trained[index].shape:
        return torch.zeros_like(trained[index], dtype=dtype)
    return torch.zeros(found.size, dtype=dtype)
