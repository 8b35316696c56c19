"""The bytes that live at each moment of a computation whose floats have no memory.

Integers and masks are real, so what depends on them (which positions are targets, which blocks are seen) is as in a
run. Floats are PyTorch's fake tensors: the same operators in the same order, shapes and types, without numbers.
"""

import weakref
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

SMALL = 1 << 12
"""The most bytes of floats that stay real where they are made of integers."""


class Held(NamedTuple):
    """A storage that lives: the one of its number, what was computed when it was made, and its bytes."""

    number: int
    phase: str
    size: int


class Live(TorchDispatchMode):
    """Make floats fake, and count the bytes of the storages that operators make, until nothing refers to them.

    What an operator takes and gives back inside, without a tensor, is not counted.
    """

    def __init__(self) -> None:
        super().__init__()
        self.fake = FakeTensorMode(allow_non_fake_inputs=True)
        self.phase = "rest"
        """What is computed: storages that are made now are remembered by it, those of a backward pass by its own."""
        self.held: dict[int, Held] = {}
        self.now = self.peak = self.made = 0
        self.log: list[Held] = []
        """What was made, and, with a size below 0, what was freed, in this order."""
        self.turn = self.begun = 0

    def begin(self) -> None:
        """Look for the peak from here on."""
        self.peak, self.turn, self.begun = self.now, len(self.log), len(self.log)

    def at_peak(self) -> list[Held]:
        """Return what lived at the peak since `begin`."""
        found: dict[int, Held] = {}
        for one in self.log[: self.turn]:
            if one.size < 0:
                del found[one.number]
            else:
                found[one.number] = one
        return [*found.values()]

    def numbers(self, tensors: Iterable[Tensor | None]) -> set[int]:
        """Return the numbers of the storages of tensors that live."""
        keys = {one.untyped_storage()._cdata for one in tensors if one is not None and not one.is_sparse}
        return {self.held[key].number for key in keys if key in self.held}

    def hollow(self, tensor: Tensor) -> Tensor:
        """Return a tensor of the same shape and type: without memory where it has floats, else the same."""
        if not tensor.is_floating_point():
            return tensor
        return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype)

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        out = self.run(func, args, kwargs or {})
        for one in tree_leaves(out):
            if isinstance(one, Tensor) and not one.is_sparse:
                self._hold(one.untyped_storage())
        return out

    def run(self, func: Any, args: Sequence[Any], given: Mapping[str, Any]) -> Any:
        """Run an operator: on fake floats, or on integers as they are."""
        leaves = [one for one in tree_leaves((args, given)) if isinstance(one, Tensor)]
        fakes = any(isinstance(one, FakeTensor) for one in leaves)
        if fakes and func is torch.ops.aten._local_scalar_dense.default:
            return 1.0  # a loss or a norm: any number that is finite
        if fakes and func is torch.ops.aten.index.Tensor:
            args = args[0], _places(args[1])
        if fakes or not leaves:
            with self.fake:
                out = func(*args, **given)
            if fakes or not isinstance(out, Tensor) or out.is_floating_point():
                return out
        out = func(*args, **given)
        if isinstance(out, Tensor) and out.is_floating_point() and out.nbytes > SMALL:
            with self.fake:
                return torch.empty_strided(out.shape, out.stride(), dtype=out.dtype)
        return out

    def _hold(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key in self.held:
            return
        self.made += 1
        phase = "backward" if torch._C._current_graph_task_id() != -1 else self.phase
        one = self.held[key] = Held(self.made, phase, storage.nbytes())
        self.now += one.size
        self.log.append(one)
        weakref.finalize(storage, self._drop, key).atexit = False
        if self.now > self.peak:
            self.peak, self.turn = self.now, len(self.log)

    def _drop(self, key: int) -> None:
        one = self.held.pop(key)
        self.now -= one.size
        self.log.append(one._replace(size=-1))


def _places(indices: Sequence[Tensor | None]) -> list[Tensor | None]:
    """Return indices with the places in a mask for the mask: how many they are is known, because masks are real."""
    found: list[Tensor | None] = []
    for one in indices:
        found += [one] if one is None or one.dtype != torch.bool else one.nonzero().unbind(1)
    return found
