"""The engine: rows that are written side by side, and that join and leave between steps. Knows ids only.

A step is one pass over the ids that each row has not read: one for a row that writes, a piece of the prompt for a row
that has joined. So a long prompt does not stop the others (chunked prefill: Agrawal et al. 2023, arXiv:2308.16369;
continuous batching: Yu et al. 2022, Orca). A finished row stays as a prefix that a later prompt may begin with.
"""

from collections import deque
from collections.abc import Sequence
from itertools import groupby

import torch
from torch import Tensor

from trivium.base.batch import Stream
from trivium.base.errors import ModelError
from trivium.infer.padding import left_padded
from trivium.infer.row import Row, choose
from trivium.model.attention.cache import KVCache
from trivium.model.attention.crowd import Crowd
from trivium.model.device import evaluating
from trivium.model.transformer import Transformer

CHUNK = 256
"""The ids of prompts that are read in one step beside the rows that write."""


class Engine:
    """The rows of one model: a queue, first come, first served, and the rows in progress."""

    def __init__(self, transformer: Transformer, memory: int = 0, chunk: int = CHUNK) -> None:
        """`memory` is the number of bytes for keys and values, finished prefixes included; 0 is no limit, and no
        prefix is kept."""
        self.transformer, self.memory, self.chunk = transformer, memory, chunk
        self.queue: deque[Row] = deque()
        self.running: list[Row] = []
        self.prefixes: list[Row] = []  # least recently used first
        stack = transformer.decoder.config
        self._whole = any(pattern.marked for pattern in stack.pattern)
        width = stack.head_width(transformer.config.hidden_size) * (stack.kv_heads or stack.heads)
        self._position_bytes = 2 * stack.layers * width * transformer.tokens.weight.element_size()

    @property
    def busy(self) -> bool:
        """Whether a row is not finished."""
        return bool(self.queue or self.running)

    def submit(self, row: Row) -> None:
        """Add a row to the queue. Raise ModelError where it needs more memory than the engine has."""
        if self.memory and self.bytes(row) > self.memory:
            raise ModelError(
                f"a prompt of {len(row.prompt):,} ids and {row.max_new_tokens:,} new ones need {self.bytes(row):,} bytes of keys "
                f"and values; the engine has {self.memory:,}: allow fewer new ids or more memory"
            )
        self.queue.append(row)

    def cancel(self, row: Row, reason: str = "cancelled") -> None:
        """End a row; it leaves before the next step."""
        row.reason = row.reason or reason

    def bytes(self, row: Row) -> int:
        """Return the bytes that a row may need for keys and values."""
        return (row.capacity + len(row.source or ())) * self._position_bytes

    def step(self) -> list[tuple[Row, int]]:
        """Run one pass; return (row, id) of each new id that is no stop id."""
        with evaluating(self.transformer), torch.inference_mode():
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
                self.prefixes.append(row)
            else:
                row.cache = None

    def _join(self) -> None:
        """Let rows of the queue join as long as there is memory; the least recently used prefixes make room."""
        new: list[Row] = []
        while self.queue:
            row = self.queue[0]
            found = self._prefix(row)
            used = sum(self.bytes(one) for one in (*self.running, *new, *self.prefixes))
            while self.memory and used + self.bytes(row) > self.memory and self.prefixes:
                used -= self.bytes(self.prefixes.pop(0))
            if self.memory and used + self.bytes(row) > self.memory:
                break
            self.queue.popleft()
            if found is not None:
                source, count = found
                row.cache = source.cache and source.cache.fork(count, row.capacity)
                row.read = count if row.cache is not None else 0
            new.append(row)
        self._encode([row for row in new if row.cache is None])
        self.running += new

    def _prefix(self, row: Row) -> tuple[Row, int] | None:
        """Return the row that has read the most of a row's prompt, and how many ids; mark it as used."""
        rows = [] if self._whole or not self.memory else [*self.prefixes, *self.running]
        best = max(rows, key=row.common, default=None)
        if best is None or not (count := row.common(best)):
            return None
        if best in self.prefixes:
            self.prefixes.remove(best)
            self.prefixes.append(best)
        return best, count

    def _encode(self, rows: Sequence[Row]) -> None:
        """Give rows an empty cache, with the memory of their sources where the model has an encoder."""
        decoder = self.transformer.decoder
        for row in rows:
            source = None
            if row.source is not None:
                source = self.transformer.encode(left_padded([row.source], self._device))
            row.cache = decoder.cache(row.capacity, memory=source)

    @property
    def _device(self) -> torch.device:
        return self.transformer.tokens.weight.device

    def _read(self) -> tuple[list[Row], Tensor] | None:
        """Read what rows have not read, up to the limit of a step; return the rows that can write, and their states."""
        parts: list[tuple[Row, int]] = []
        room = self.chunk + len(self.running)
        for row in sorted(self.running, key=lambda row: not row.ids):  # rows that write come first
            count = len(row.unread) if self._whole else min(len(row.unread), room)
            if count:
                parts.append((row, count))
                room = max(room - count, 0)
        if not parts:
            return None
        hidden = self._pass(parts)[0]  # T D
        ends = torch.tensor([count for _, count in parts]).cumsum(0) - 1
        for row, count in parts:
            row.read += count
        able = [at for at, (row, _) in enumerate(parts) if not row.unread]
        return [parts[at][0] for at in able], hidden[ends[able].to(hidden.device)]

    def _pass(self, parts: Sequence[tuple[Row, int]]) -> Tensor:
        """Run the decoder over the next ids of some rows; return its states [1, T, D]."""
        caches: list[KVCache] = [row.cache for row, _ in parts if row.cache is not None]
        ids = torch.tensor([[index for row, count in parts for index in row.unread[:count]]], device=self._device)
        spans = [torch.arange(row.read, row.read + count) for row, count in parts]
        positions = torch.cat(spans)[None].to(self._device)
        documents = torch.ones_like(ids)
        prefix = torch.cat([span < len(row.prompt) for (row, _), span in zip(parts, spans, strict=True)])[None]
        marked = prefix.to(self._device) if self._whole else None
        stream = Stream(ids, positions, documents, prefix=marked)
        return self.transformer.decode(stream, cache=Crowd(caches, [count for _, count in parts]))

    def _write(self, rows: list[Row], hidden: Tensor) -> list[tuple[Row, int]]:
        """Choose the next id of each row; rows of one way of choosing are one batch."""
        logits = self.transformer.logits(hidden)  # R V
        order = sorted(range(len(rows)), key=lambda at: rows[at].way)
        new: dict[int, int] = {}
        for _, some in groupby(order, key=lambda at: rows[at].way):
            group = list(some)
            chosen = choose([rows[at] for at in group], logits[group])
            new.update(zip(group, chosen.tolist(), strict=True))
        return [(row, new[at]) for at, row in enumerate(rows) if row.take(new[at], self.transformer.config.limit)]
