"""The engine: rows that are written side by side, and that join and leave between steps. Knows ids only.

A step is one pass over the ids that each row has not read: one for a row that writes, a piece of the prompt for a row
that has joined. So a long prompt does not stop the others (chunked prefill: Agrawal et al. 2023, arXiv:2308.16369;
continuous batching: Yu et al. 2022, Orca). A finished row stays as a prefix that a later prompt may begin with.
"""

from collections import deque
from collections.abc import Hashable, Sequence
from contextlib import nullcontext
from itertools import accumulate
from threading import Lock

import torch
from torch import Tensor

from trivium.base.batch import Stream
from trivium.base.errors import ConfigError, ModelError
from trivium.infer.batching.memory import RowMemory
from trivium.infer.batching.sizes import PassSizes, alike
from trivium.infer.request import writable
from trivium.infer.row import Row
from trivium.infer.sampling import pick
from trivium.infer.weights import Int8Linear, packed
from trivium.model.attention.cache import Memory
from trivium.model.attention.crowd import Crowd
from trivium.model.attention.exact import Exact
from trivium.model.attention.pattern import Where
from trivium.model.attention.slots import BLOCK
from trivium.model.attention.using import using
from trivium.model.device import evaluating, reuse_memory
from trivium.model.layer.position import RotaryEmbedding
from trivium.model.transformer import Transformer

CHUNK = 256
"""The ids of prompts that are read in one step beside the rows that write."""
WIDE = 32
"""The most ids of a step that only writes, guesses included: a pass of 8 to 32 rows takes nearly the same time."""
ALONE = 4
"""How many times more ids a step reads while no row writes: larger products are faster, and nobody waits."""


class InferenceEngine:
    """The rows of one model: a queue, first come, first served, and the rows in progress."""

    def __init__(
        self, transformer: Transformer, memory: int = 0, exact: bool = False, chunk: int = CHUNK, lookup: bool = True
    ) -> None:
        """`memory` is the number of bytes for keys and values; 0 is no limit, and then no prefix is kept.

        With `exact` the ids of a row are the same beside any rows, after any prefix and in any pieces: every pass has
        the same shape, and the attention kernel is `exact`. ConfigError: it needs float32. With `lookup` greedy rows
        guess their next ids (see `infer/lookup`): the same ids in fewer passes.
        """
        if exact and (dtype := transformer.tokens.weight.dtype) != torch.float32:
            raise ConfigError(f"exact: expected float32 weights, found {dtype}; use --weights fp32, or leave exact out")
        if exact and any(isinstance(part, Int8Linear) for part in transformer.modules()):
            raise ConfigError("exact: in int8 the rows of a pass share a scale; use --weights fp32, or leave exact out")
        reuse_memory()
        self.transformer, self.exact, self.chunk = transformer, exact, chunk
        self.reader = packed(transformer) if exact else transformer
        """The model that computes: the numbers of `transformer`."""
        self.sizes = alike(self.reader) if exact else PassSizes()
        self._modules = list(transformer.modules())
        # A guess would be the largest position of its pass, and such frequencies depend on it.
        self.lookup = lookup and not any(isinstance(one, RotaryEmbedding) and one.adapts for one in self._modules)
        self.lock = Lock()
        """For those who share the engine between threads: it is held while rows are added, and for a step."""
        self.queue: deque[Row] = deque()
        self.running: list[Row] = []
        self.memory = RowMemory(self.reader, memory)
        if exact and self.memory.whole:
            raise ConfigError("exact: a pattern with a prefix reads a prompt at once, and not in passes of one size")

    @property
    def busy(self) -> bool:
        """Whether a row is not finished."""
        return bool(self.queue or self.running)

    def submit(self, row: Row) -> None:
        """Add a row to the queue. Raise ModelError where it needs more memory than the engine has."""
        if self.memory.limit and (need := self.memory.width(row)) > self.memory.positions:
            raise ModelError(
                f"a prompt of {len(row.prompt):,} ids and {row.max_new_tokens:,} new ones need "
                f"{need * self.memory.position_bytes:,} bytes of keys and values; the engine has "
                f"{self.memory.limit:,}: allow fewer new ids or more memory"
            )
        self.queue.append(row)

    def cancel(self, row: Row, reason: str = "cancelled") -> None:
        """End a row; it leaves before the next step."""
        row.reason = row.reason or reason

    def step(self) -> list[tuple[Row, int]]:
        """Run one pass; return (row, id) of each new id that is no stop id."""
        exact = using(self.reader.decoder, lambda _: Exact()) if self.exact else nullcontext()
        trained = any(module.training for module in self._modules)
        with evaluating(self.transformer) if trained else nullcontext(), torch.inference_mode(), exact:
            self._leave()
            self.running += self.memory.join(self.queue, self.running)
            ready = self._read()
            return self._write(*ready) if ready else []

    def _leave(self) -> None:
        """Take finished rows out."""
        done = [row for row in self.running if row.reason is not None]
        self.running = [row for row in self.running if row.reason is None]
        self.queue = deque(row for row in self.queue if row.reason is None)
        for row in done:
            self.memory.leave(row)

    @property
    def _device(self) -> torch.device:
        return self.transformer.tokens.weight.device

    def _read(self) -> tuple[list[Row], Tensor] | None:
        """Read what rows have not read, up to the limit of a step; return the rows that can write, and their states.

        A row has one state for its next id, and one for each id that it has guessed.
        """
        if self.lookup:
            self._guess([row for row in self.running if row.ids and row.writes])
        counts = self._counts()
        for row in self.running:
            out = self.memory.grow(row, counts[id(row)], self.running) if row.slot is not None else []
            self.running = [one for one in self.running if one not in out]
            self.queue.extendleft(out)
        rows = sorted((row for row in self.running if counts[id(row)]), key=_place)
        states: list[list[Tensor]] = [[] for _ in rows]
        for group in self.sizes.groups([counts[id(row)] for row in rows]):
            hidden, end = self._pass([(rows[at], count) for at, count in group]), 0
            for at, count in group:
                rows[at].read, end = rows[at].read + count, end + count
                states[at].append(hidden[0, end - count : end])
        ready = [(row, torch.cat(some)) for row, some in zip(rows, states, strict=True) if not row.unread]
        last = [some[len(some) - 1 - len(row.draft) :] for row, some in ready]
        return ([row for row, _ in ready], torch.cat(last)) if ready else None

    def _counts(self) -> dict[int, int]:
        """Return how many ids each running row reads in this step; those that write come first."""
        room = self.chunk if any(row.writes for row in self.running) else ALONE * self.chunk
        counts: dict[int, int] = {}
        for row in sorted(self.running, key=lambda row: not row.writes):
            unread = len(row.unread)
            counts[id(row)] = count = unread if self.memory.whole or row.writes else min(unread, room)
            room -= 0 if row.writes else count
        return counts

    def _guess(self, rows: Sequence[Row]) -> None:
        """Let rows that write guess ids, as many as leave a pass narrow."""
        room = WIDE - len(rows)
        for left, row in zip(range(len(rows), 0, -1), rows, strict=True):
            row.guess(room // left, self.transformer.config.placeholder)
            room -= len(row.draft)

    def _pass(self, parts: Sequence[tuple[Row, int]]) -> Tensor:
        """Run the decoder over the next ids of some rows; return its states [1, T, D]."""
        counts = [count for _, count in parts]
        rest = [0] * self.sizes.rest(sum(counts))
        ids = [index for row, count in parts for index in row.unread[:count]] + rest
        positions = [at for row, count in parts for at in range(row.read, row.read + count)] + rest
        table, places = torch.tensor([[ids], [positions]], device=self._device)
        prefix = None
        if self.memory.whole:
            marks = [at < len(row.prompt) for row, count in parts for at in range(row.read, row.read + count)]
            prefix = torch.tensor([marks], device=self._device)
        stream = Stream(table, places, torch.ones_like(table), prefix=prefix)
        slots = [row.slot for row, _ in parts if row.slot is not None]
        crowd = Crowd(slots, counts, self.memory.pool.keeps, BLOCK if self.exact else 1)
        return self.reader.decode(stream, self._pictures(parts), crowd)

    def _pictures(self, parts: Sequence[tuple[Row, int]]) -> Memory | None:
        """Return the states of pictures that stand in the next ids of some rows, None where there are none."""
        found: list[Tensor] = []
        if (token := self.transformer.config.placeholder) is not None:
            for row, count in parts:
                if row.slot is not None and (memory := row.slot.memory) is not None:
                    first, here = row.prompt[: row.read].count(token), row.unread[:count].count(token)
                    found.append(memory.states[:, first : first + here])
        if not found:
            return None
        states = torch.cat(found, dim=1)
        ones = torch.ones(states.shape[:2], dtype=torch.long, device=states.device)
        return Memory(states, Where(ones, ones))

    def _write(self, rows: list[Row], hidden: Tensor) -> list[tuple[Row, int]]:
        """Choose the next id of each row, and the ids after it as long as a row has guessed what is chosen."""
        config = self.transformer.config
        logits, limit = writable(self._logits(hidden), config), config.limit  # N V
        first = [0, *accumulate(1 + len(row.draft) for row in rows)]
        live, right, new = list(range(len(rows))), 0, list[tuple[Row, int]]()
        while live:
            here = [first[at] + right for at in live]
            chosen = self._choose([rows[at] for at in live], logits if len(here) == len(logits) else logits[here])
            going: list[int] = []
            for at, index in zip(live, chosen, strict=True):
                row = rows[at]
                if row.take(index, logits[first[at] + right], limit):
                    new.append((row, index))
                if row.reason is None and row.draft[right : right + 1] == [index]:
                    going.append(at)
                else:
                    row.settle(right)
            live, right = going, right + 1
        return new

    def _choose(self, rows: Sequence[Row], logits: Tensor) -> list[int]:
        """Return the next id of each row; rows of one way of choosing are one batch."""
        groups: dict[Hashable, list[int]] = {}
        for at, row in enumerate(rows):
            groups.setdefault(row.way, []).append(at)
        new: dict[int, int] = {}
        for group in groups.values():
            row, texts = rows[group[0]], [rows[at].text for at in group]
            made = len(row.ids)
            some = (logits if len(group) == len(rows) else logits[group])[:, : row.vocabulary]
            grammars = [(place, found) for place, at in enumerate(group) if (found := rows[at].grammar) is not None]
            some = some.clone() if grammars else some
            for place, grammar in grammars:
                grammar.mask(some[place])
            bound = row.sampling.bound(some, texts, made, row.max_new_tokens, row.stops)
            chosen = pick(bound, row.sampling, [rows[at].generator for at in group])
            new.update(zip(group, chosen.tolist(), strict=True))
        return [new[at] for at in range(len(rows))]

    def _logits(self, hidden: Tensor) -> Tensor:
        return self.sizes.apply(self.reader.logits, hidden) if self.exact else self.reader.logits(hidden)


def _place(row: Row) -> tuple[int, int]:
    """Return where the slot of a row is: neighbours are read together."""
    return (0, 0) if row.slot is None else (id(row.slot.home), row.slot.index)
