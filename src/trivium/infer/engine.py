"""The engine: rows that are written side by side, and that join and leave between steps. Knows ids only.

A step is one pass over the ids that each row has not read: one for a row that writes, a piece of the prompt for a row
that has joined. So a long prompt does not stop the others (chunked prefill: Agrawal et al. 2023, arXiv:2308.16369;
continuous batching: Yu et al. 2022, Orca). A finished row stays as a prefix that a later prompt may begin with.
"""

from collections import deque
from collections.abc import Hashable, Iterator, Sequence
from contextlib import nullcontext
from itertools import accumulate
from threading import Lock

import torch
from torch import Tensor
from torch.nn import functional as F

from trivium.base.batch import Stream
from trivium.base.errors import ConfigError, ModelError
from trivium.infer.padding import sources_padded
from trivium.infer.prefix import Prefixes
from trivium.infer.request import writable
from trivium.infer.row import Row
from trivium.infer.sampling import pick
from trivium.model.attention.cache import Memory
from trivium.model.attention.crowd import Crowd
from trivium.model.attention.exact import QUERIES, Exact
from trivium.model.attention.pattern import Where
from trivium.model.attention.using import using
from trivium.model.device import evaluating
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
        self.transformer, self.memory, self.exact, self.chunk = transformer, memory, exact, chunk
        self.lookup = lookup
        self._modules = list(transformer.modules())
        self.lock = Lock()
        """For those who share the engine between threads: it is held while rows are added, and for a step."""
        self.queue: deque[Row] = deque()
        self.running: list[Row] = []
        self.prefixes = Prefixes()
        stack = transformer.decoder.config
        self._whole = any(pattern.marked for pattern in stack.pattern)
        if exact and self._whole:
            raise ConfigError("exact: a pattern with a prefix reads a prompt at once, and not in passes of one size")
        width = stack.head_width(transformer.config.hidden_size) * (stack.kv_heads or stack.heads)
        self.position_bytes = 2 * stack.layers * width * transformer.tokens.weight.element_size()
        """The bytes of the keys and values of one position."""

    @property
    def busy(self) -> bool:
        """Whether a row is not finished."""
        return bool(self.queue or self.running)

    @property
    def positions(self) -> int:
        """How many positions of all rows have room in the memory; 0 is any number."""
        return self.memory // self.position_bytes

    def submit(self, row: Row) -> None:
        """Add a row to the queue. Raise ModelError where it needs more memory than the engine has."""
        if self.memory and self.bytes(row) > self.memory:
            raise ModelError(
                f"a prompt of {len(row.prompt):,} ids and {row.max_new_tokens:,} new ones need {self.bytes(row):,} "
                f"bytes of keys and values; the engine has {self.memory:,}: allow fewer new ids or more memory"
            )
        self.queue.append(row)

    def cancel(self, row: Row, reason: str = "cancelled") -> None:
        """End a row; it leaves before the next step."""
        row.reason = row.reason or reason

    def bytes(self, row: Row) -> int:
        """Return the bytes that a row may need for keys and values."""
        return (row.capacity + len(row.source or ())) * self.position_bytes

    def step(self) -> list[tuple[Row, int]]:
        """Run one pass; return (row, id) of each new id that is no stop id."""
        exact = using(self.transformer.decoder, lambda _: Exact()) if self.exact else nullcontext()
        trained = any(module.training for module in self._modules)
        with evaluating(self.transformer) if trained else nullcontext(), torch.inference_mode(), exact:
            self._leave()
            self._join()
            ready = self._read()
            return self._write(*ready) if ready else []

    def _leave(self) -> None:
        """Take finished rows out; keep what they have read as prefixes."""
        done = [row for row in self.running if row.reason is not None]
        self.running = [row for row in self.running if row.reason is None]
        self.queue = deque(row for row in self.queue if row.reason is None)
        for row in done:
            if self.memory and not self._whole and row.read:
                self.prefixes.add(row)
            else:
                row.cache = None

    def _join(self) -> None:
        """Let rows of the queue join as long as there is memory; the least recently used prefixes make room."""
        new: list[Row] = []
        used = sum(map(self.bytes, self.running))
        while self.queue and (not self.memory or used + self.bytes(self.queue[0]) <= self.memory):
            row = self.queue.popleft()
            used += self.bytes(row)
            source = self.prefixes.find(row, self.running) if self.memory and not self._whole else None
            if source is not None and source.cache is not None:
                row.hit = row.common(source)
                row.cache = source.cache.fork(row.hit, row.capacity)
                row.read = row.hit = row.hit if row.cache is not None else 0
            if self.memory:
                self.prefixes.shrink(self.memory - used, self.bytes)
            new.append(row)
        self._encode([row for row in new if row.cache is None])
        self.running += new

    def _encode(self, rows: Sequence[Row]) -> None:
        """Give rows an empty cache, with the memory of their sources where the model has an encoder."""
        decoder = self.transformer.decoder
        for row in rows:
            source = None
            if row.source is not None:
                source = self.transformer.encode(sources_padded([row.source], self._device))
            row.cache = decoder.cache(row.capacity, memory=source)

    @property
    def _device(self) -> torch.device:
        return self.transformer.tokens.weight.device

    def _read(self) -> tuple[list[Row], Tensor] | None:
        """Read what rows have not read, up to the limit of a step; return the rows that can write, and their states.

        A row has one state for its next id, and one for each id that it has guessed.
        """
        if self.lookup:
            self._guess([row for row in self.running if row.ids])
        parts: list[tuple[Row, int]] = []
        room = self.chunk if any(row.ids for row in self.running) else ALONE * self.chunk
        for row in sorted(self.running, key=lambda row: not row.ids):  # rows that write come first
            count = len(row.unread) if self._whole or row.ids else min(len(row.unread), room)
            if count:
                parts.append((row, count))
                room -= 0 if row.ids else count
        ready: list[tuple[Row, Tensor]] = []
        for some in _filled(parts) if self.exact else [parts][: len(parts)]:
            hidden, end = self._pass(some), 0
            for row, count in some:
                row.read, end = row.read + count, end + count
                if not row.unread:
                    ready.append((row, hidden[0, end - 1 - len(row.draft) : end]))
        return ([row for row, _ in ready], torch.cat([states for _, states in ready])) if ready else None

    def _guess(self, rows: Sequence[Row]) -> None:
        """Let rows that write guess ids, as many as leave a pass narrow."""
        room = (QUERIES if self.exact else WIDE) - len(rows)
        for left, row in zip(range(len(rows), 0, -1), rows, strict=True):
            row.guess(room // left, self.transformer.config.placeholder)
            room -= len(row.draft)

    def _pass(self, parts: Sequence[tuple[Row, int]]) -> Tensor:
        """Run the decoder over the next ids of some rows; return its states [1, T, D]."""
        caches = [row.cache for row, _ in parts if row.cache is not None]
        counts = [count for _, count in parts]
        ids = [index for row, count in parts for index in row.unread[:count]]
        positions = [at for row, count in parts for at in range(row.read, row.read + count)]
        marks = [at < len(row.prompt) for row, count in parts for at in range(row.read, row.read + count)]
        if self.exact and (rest := QUERIES - len(ids)):  # a pass always has the same shape
            caches.append(self.transformer.decoder.cache(rest, memory=caches[0].memory))
            counts, ids, positions = [*counts, rest], [*ids, *[0] * rest], [*positions, *range(rest)]
        table, places = torch.tensor([[ids], [positions]], device=self._device)
        prefix = torch.tensor([marks], device=self._device) if self._whole else None
        stream = Stream(table, places, torch.ones_like(table), prefix=prefix)
        return self.transformer.decode(stream, self._pictures(parts), Crowd(caches, counts))

    def _pictures(self, parts: Sequence[tuple[Row, int]]) -> Memory | None:
        """Return the states of pictures that stand in the next ids of some rows, None where there are none."""
        found: list[Tensor] = []
        if (token := self.transformer.config.placeholder) is not None:
            for row, count in parts:
                if row.cache is not None and (memory := row.cache.memory) is not None:
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
            chosen = self._choose([rows[at] for at in live], logits[[first[at] + right for at in live]])
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
            some, made = logits[group][:, : row.vocabulary], len(row.ids)
            for scores, at in zip(some, group, strict=True):
                if (grammar := rows[at].grammar) is not None:
                    grammar.mask(scores)
            bound = row.sampling.bound(some, texts, made, row.max_new_tokens, row.stops)
            chosen = pick(bound, row.sampling, [rows[at].generator for at in group])
            new.update(zip(group, chosen.tolist(), strict=True))
        return [new[at] for at in range(len(rows))]

    def _logits(self, hidden: Tensor) -> Tensor:
        if not self.exact:
            return self.transformer.logits(hidden)
        blocks = [F.pad(block, (0, 0, 0, QUERIES - len(block))) for block in hidden.split(QUERIES)]
        return torch.cat([self.transformer.logits(block) for block in blocks])[: len(hidden)]


def _filled(parts: Sequence[tuple[Row, int]]) -> Iterator[list[tuple[Row, int]]]:
    """Yield the parts in groups of at most QUERIES ids; a part may stand in several groups."""
    group: list[tuple[Row, int]] = []
    room = QUERIES
    for row, count in parts:
        while count:
            some = min(count, room)
            group.append((row, some))
            count, room = count - some, room - some
            if not room:
                yield group
                group, room = [], QUERIES
    if group:
        yield group
