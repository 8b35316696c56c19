"""Grains: the gradient of a step whose bits depend neither on the number of processes nor on `micro_rows`.

A grain is a fixed number of the step's rows. It is computed alone, in one pass forward and one backward, with dropout
of its own; the gradients of the grains are added up in one tree. A process computes grains that follow each other, so
it adds up whole branches by itself and sends only their sums. This file knows neither loss nor precision.
"""

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch import distributed as dist

from trivium.base.batch import Batch
from trivium.base.errors import ConfigError
from trivium.base.seeds import mix
from trivium.train.parallel.world import World
from trivium.train.recipe import Recipe

GRAINS = 8
"""The grains of a step, unless the recipe says how many rows one has."""
WORDS = 8
"""The numbers of 32 bits in a SHA-256."""


class Passed(NamedTuple):
    """What the passes of a step leave beside its gradients, over all processes."""

    targets: float
    """The sum of the weights of all targets."""
    tokens: float
    loss: float
    """The sum of the losses of all targets."""
    data: str = ""
    """The SHA-256 of what was read, of grains."""


def grain_rows(recipe: Recipe, step_rows: int, world: World) -> int:
    """Return the rows of a grain of a deterministic run, an eighth of the step's rows if the recipe has none.

    Raise ConfigError for a number of processes that does not divide the grains, for `micro_rows` that is no multiple of
    a grain, and where not all processes have the CPU and the threads of the first.
    """
    rows = recipe.grain_rows or -(-step_rows // GRAINS)
    count = -(-step_rows // rows)
    if world.device.type != "cpu":
        raise ConfigError(
            f"deterministic: needs a CPU, whose sums have one order, found {world.device.type}; leave it out"
        )
    if rows > step_rows:
        raise ConfigError(f"grain_rows: expected at most the {step_rows} rows of a step, found {rows}")
    if count % world.size:
        raise ConfigError(
            f"deterministic: a step of {step_rows} rows has {count} grains of {rows} rows, which {world.size} "
            f"processes cannot share evenly; take a number of processes that divides {count}, or another grain_rows"
        )
    if recipe.micro_rows is not None and recipe.micro_rows % rows:
        raise ConfigError(
            f"micro_rows: expected a multiple of the grain of {rows} rows (deterministic), or auto, "
            f"found {recipe.micro_rows}"
        )
    threads = [int(one) for one in world.every([torch.get_num_threads()])]
    for rank, found in enumerate(threads):
        if found != threads[0]:
            raise ConfigError(
                f"deterministic: process {rank} has {found} threads, and process 0 has {threads[0]}; "
                "set OMP_NUM_THREADS to one number for all"
            )
    return rows


@dataclass(frozen=True)
class Grains:
    """The grains of the steps of a run: `rows` rows each, `count` in a whole step, an equal share on each process."""

    rows: int
    count: int
    world: World

    @property
    def share(self) -> int:
        """The grains of a whole step that each process computes."""
        return self.count // self.world.size

    def passed(
        self,
        back: Callable[[Batch, float], float],
        weights: Sequence[Tensor],
        batches: Sequence[Batch],
        seed: int,
        done: int,
    ) -> Passed:
        """Give all weights the gradient of a step after `done` steps, of which this process has some grains.

        `back` adds the gradient of a grain, times a number, to that of the weights and returns its loss. Gradients in
        bfloat16 become float32 where they meet.
        """
        mine = [batch for batch in batches if batch.tokens()]  # a process without rows has one of padding
        told = self.world.every([n for one in mine for n in (one.count(), one.tokens(), *_words(one))])
        all_of = [told[at : at + 2 + WORDS] for at in range(0, len(told), 2 + WORDS)]
        count, first, losses = math.fsum(one[0] for one in all_of), self.world.rank * self.share, []

        def leaf(grain: int) -> list[Tensor | None]:
            torch.manual_seed(mix(seed, done, grain))
            losses.append(back(mine[grain - first], 1 / max(count, 1e-9)))
            return _taken(weights)

        self._give(self._branch(leaf, weights, 0, len(all_of)), weights)
        read = np.array([one[2:] for one in all_of]).astype("<u4")
        return Passed(
            count,
            math.fsum(one[1] for one in all_of),
            math.fsum(self.world.every(losses)),
            hashlib.sha256(read.tobytes()).hexdigest(),
        )

    def _branch(
        self, leaf: Callable[[int], list[Tensor | None]], weights: Sequence[Tensor], first: int, last: int
    ) -> list[Tensor | None] | None:
        """Return the sum of the gradients of grains [first, last), None on a process that does not have the first.

        The tree depends on the number of grains alone. Every process goes through it in the same order, so each `send`
        meets its `recv`.
        """
        if last - first < 2:
            return leaf(first) if self._has(first) else None
        middle = first + (1 << ((last - first - 1).bit_length() - 1))
        left, right = self._branch(leaf, weights, first, middle), self._branch(leaf, weights, middle, last)
        if not self._has(first) and right is not None:
            dist.send(_packed(right, weights), first // self.share)
        if left is None:
            return None
        if right is None:
            flat = _packed([None] * len(weights), weights)
            dist.recv(flat, middle // self.share)
            right = _unpacked(flat, weights)
        left = [a if a is None or b is None else a.float() for a, b in zip(left, right, strict=True)]
        pairs = [(a, b) for a, b in zip(left, right, strict=True) if a is not None and b is not None]
        if pairs:
            torch._foreach_add_(*map(list, zip(*pairs, strict=True)))  # type: ignore[arg-type]
        return [b if a is None else a for a, b in zip(left, right, strict=True)]

    def _has(self, grain: int) -> bool:
        return grain // self.share == self.world.rank

    def _give(self, root: list[Tensor | None] | None, weights: Sequence[Tensor]) -> None:
        """Give every process the gradient that the first one has."""
        if self.world.size > 1:
            flat = _packed(root or [None] * len(weights), weights)
            dist.broadcast(flat, 0)
            root = _unpacked(flat, weights)
        for weight, grad in zip(weights, root or [None] * len(weights), strict=True):
            weight.grad = grad if grad is None else grad.to(weight.dtype)


def grains_of(recipe: Recipe, step_rows: int, rows: int, world: World) -> Grains | None:
    """Return the grains of a run whose loader gives `rows` of `step_rows` rows at a time; None if it has none."""
    return Grains(rows, -(-step_rows // rows), world) if recipe.deterministic else None


def _taken(weights: Sequence[Tensor]) -> list[Tensor | None]:
    """Return the gradients of weights, which have none afterwards."""
    grads = [weight.grad for weight in weights]
    for weight in weights:
        weight.grad = None
    return grads


def _packed(grads: Sequence[Tensor | None], weights: Sequence[Tensor]) -> Tensor:
    """Return gradients as one vector, which begins with a 1 for each weight that has one, and a 0 for others."""
    has = torch.tensor([float(grad is not None) for grad in grads])
    filled = [torch.zeros_like(w) if g is None else g for g, w in zip(grads, weights, strict=True)]
    return torch.cat([has, *(one.flatten() for one in filled)])


def _unpacked(flat: Tensor, weights: Sequence[Tensor]) -> list[Tensor | None]:
    has, *parts = flat.split([len(weights), *(weight.numel() for weight in weights)])
    return [
        part.view_as(weight) if there else None
        for there, part, weight in zip(has.tolist(), parts, weights, strict=True)
    ]


def words(digest: bytes) -> list[float]:
    """Return a SHA-256 as eight numbers, which float64 carries without loss between processes."""
    return np.frombuffer(digest, "<u4").astype(float).tolist()  # type: ignore[no-any-return]


def _words(batch: Batch) -> list[float]:
    """Return the SHA-256 of a batch as eight numbers."""
    digest = hashlib.sha256()
    for name, array in _arrays(batch):
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return words(digest.digest())


def _arrays(tree: Any, name: str = "") -> Iterator[tuple[str, np.ndarray]]:
    """Yield the arrays of a batch with their names."""
    if isinstance(tree, np.ndarray):
        yield name, tree
    elif isinstance(tree, dict):
        for key in sorted(tree):
            yield from _arrays(tree[key], f"{name}.{key}")
    elif is_dataclass(tree):
        for field in fields(tree):
            yield from _arrays(getattr(tree, field.name), f"{name}.{field.name}")
