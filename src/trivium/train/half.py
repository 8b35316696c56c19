"""Matrices in bfloat16 beside float32 masters: a step on the CPU multiplies by them and casts none.

The parameters of a model are its masters: only they are saved, loaded, evaluated and counted. While a step runs, a
copy in bfloat16 stands in the place of each matrix and bias of a linear layer, and of the matrix of a head. Its
gradient becomes the master's, and the optimizer writes each new master into its copy. The values are those of
autocast, which makes the same copies anew in every pass.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from trivium.model.layer.head import VocabularyHead
from trivium.train.optim.adamw import BlockAdamW
from trivium.train.parallel.world import World

HALF = torch.bfloat16


class Halves:
    """The copies of the matrices of some modules by their masters, which an optimizer trains; without modules none."""

    def __init__(self, modules: Iterable[nn.Module] = (), optimizer: torch.optim.Optimizer | None = None) -> None:
        modules = list(modules)
        kinds = {nn.Linear: ("weight", "bias"), VocabularyHead: ("weight",)}
        self.places = [
            (one, name, master)
            for one in modules
            for kind, names in kinds.items()
            for name in names
            if isinstance(one, kind) and (master := getattr(one, name)) is not None
        ]
        masters = dict.fromkeys(master for _, _, master in self.places)
        self.copies = {one: nn.Parameter(one.detach().to(HALF), one.requires_grad) for one in masters}
        self.tables = [one for one in modules if isinstance(one, nn.Embedding) and one.weight in self.copies]
        for master in self.copies:
            master.grad_dtype = None  # lets a gradient in bfloat16 be assigned
        self.reads = isinstance(optimizer, BlockAdamW)
        """Whether the optimizer takes gradients in bfloat16, and writes copies."""
        if isinstance(optimizer, BlockAdamW):
            optimizer.copies = self.copies
        elif optimizer is not None:
            optimizer.register_step_post_hook(lambda *_: self.refresh())

    @contextmanager
    def standing_in(self) -> Iterator[None]:
        """Let the modules compute with the copies, in a forward and a backward pass.

        A table that is a matrix too is still read in float32. The gradient of what was read is sparse: it is added to
        that of the matrix without a pass over all of it.
        """
        self._put(self.copies, sparse=True)
        try:
            yield
        finally:
            self._put({}, sparse=False)

    def _put(self, copies: dict[Tensor, nn.Parameter], sparse: bool) -> None:
        for module, name, master in self.places:
            module._parameters[name] = copies.get(master, master)  # type: ignore[call-overload]
        for table in self.tables:
            table.sparse = sparse

    def collect(self, only: bool) -> None:
        """Move the gradients of a pass to the masters: as they are for the `only` pass of a step, else added up.

        They stay in bfloat16 for an optimizer that reads them so.
        """
        for master, copy in self.copies.items():
            grad, copy.grad = copy.grad, None
            read = master.grad
            if grad is None:
                master.grad = read.to_dense() if read is not None and read.is_sparse else read
            elif read is None or read.is_sparse:
                master.grad = grad if only and self.reads else grad.float()
                if read is not None:
                    rows = read.coalesce()
                    master.grad.index_add_(0, rows.indices()[0], rows.values().to(master.grad.dtype))
            else:
                read.add_(grad)

    @torch.no_grad()
    def refresh(self) -> None:
        """Write every master into its copy."""
        torch._foreach_copy_([*self.copies.values()], [*self.copies])


def half_weights(
    model: nn.Module, optimizer: torch.optim.Optimizer, precision: torch.dtype, world: World = World()
) -> Halves:
    """Return the copies of the matrices of a model where it trains in bfloat16 on the CPU, in one process."""
    # Other devices cast weights at the speed of their memory; several processes average gradients of masters.
    if precision != HALF or world.device.type != "cpu" or world.size > 1:
        return Halves()
    return Halves(model.modules(), optimizer)
