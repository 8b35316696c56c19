"""The memory of an engine: which rows have slots for their keys and values, within a limit.

A row has room for what it has read and will read next, not for all that it may write. Where the room runs out, prefixes
go first; then the row that came last goes back to the queue, and is read again later.
"""

from collections import Counter, deque
from collections.abc import Sequence

from trivium.infer.batching.prefix import Prefixes
from trivium.infer.padding import sources_padded
from trivium.infer.row import Row
from trivium.model.attention.slots import BLOCK, Pool, Slots
from trivium.model.transformer import Transformer


class RowMemory:
    """The slots of running rows and of prefixes."""

    def __init__(self, transformer: Transformer, limit: int) -> None:
        """`limit` is in bytes of keys and values; 0 is none, and then no prefix is kept."""
        stack = transformer.decoder.config
        width = stack.head_width(transformer.config.hidden_size) * (stack.kv_heads or stack.heads)
        self.position_bytes = 2 * stack.layers * width * transformer.tokens.weight.element_size()
        """The bytes of the keys and values of one position."""
        self.transformer, self.limit = transformer, limit
        self.whole = any(pattern.marked for pattern in stack.pattern)
        """Whether a prompt is read at once, because its beginning is seen from both sides."""
        self.pool = Pool(transformer.decoder.cache(0), transformer.config.limit)
        self.prefixes = Prefixes()

    @property
    def positions(self) -> int:
        """How many positions have room; 0 is any number."""
        return self.limit // self.position_bytes

    def _source(self, row: Row) -> int:
        """Return the positions of a row's memory; states that stand in the prompt have none."""
        return 0 if row.source is None or self.transformer.config.placeholder is not None else len(row.source)

    def width(self, row: Row, count: int | None = None) -> int:
        """Return the positions of a row's slot, or of one that it needs for `count` positions."""
        if count is None and row.slot is not None:
            return row.slot.home.width
        return self.pool.width(row.capacity if count is None else count, self._source(row))

    def join(self, queue: deque[Row], running: Sequence[Row]) -> list[Row]:
        """Take rows from the queue as long as there is room, give them slots, and return them."""
        new: list[Row] = []
        used = sum(map(self.width, running))
        while queue:
            used += self.width(queue[0], len(queue[0].text) + 1)
            if self.limit and used > self.positions and (running or new):
                break
            new.append(queue.popleft())
        found = [self.prefixes.find(row, running) if self.limit and not self.whole else None for row in new]
        homes = [self.pool.home(len(row.text) + 1, self._source(row)) for row in new]
        for home, count in Counter(homes).items():
            self._reserve(home, count)
        for row, home, source in zip(new, homes, found, strict=True):
            row.read = row.hit = 0 if source is None else row.common(source)
            memory = None
            if source is None and row.source is not None:
                device = self.transformer.tokens.weight.device
                memory = self.transformer.encode(sources_padded([row.source], device))
            row.slot = home.take(row.read, memory, None if source is None else source.slot)
            row.slot.prefix = len(row.prompt) if self.whole else 0
        self._fit()
        return new

    def grow(self, row: Row, count: int, running: Sequence[Row]) -> list[Row]:
        """Make room for `count` more positions of a running row; return the rows that had to give theirs."""
        slot = row.slot
        assert slot is not None
        if slot.seen + count <= slot.home.capacity:
            return []
        out: list[Row] = []
        home = self.pool.home(slot.seen + count, self._source(row))
        more = home.width - slot.home.width
        while self.limit and sum(map(self.width, running)) + more > self.positions and len(running) > 1:
            *running, last = running
            assert last.slot is not None
            last.slot.leave()
            last.slot, last.read, last.draft = None, 0, []
            out.append(last)
            if last is row:
                return out
        self._reserve(home, 1)
        row.slot = home.take(slot.seen, source=slot)
        slot.leave()
        self._fit()
        return out

    def leave(self, row: Row) -> None:
        """Take the slot of a row that has ended, and keep what it has read as a prefix."""
        if (slot := row.slot) is None:
            return
        row.slot = None
        if self.limit and not self.whole and row.read:
            home = self.pool.alone(-(-row.read // BLOCK) * BLOCK, slot.home.memory)
            row.slot = home.take(row.read, source=slot)
            self.prefixes.add(row)
        slot.leave()
        self._fit()

    def _reserve(self, home: Slots, count: int) -> None:
        """Make room for more rows in a home, and for a quarter more where there is memory for it."""
        rows = len(home.rows) + count
        if rows > home.room:
            spare = (rows + rows // 4 - home.room) * home.width
            fits = not self.limit or self.pool.allocated + self._kept + spare <= self.positions
            self._fit((rows - home.room) * home.width)
            home.resize(rows + rows // 4 if fits else rows)

    @property
    def _kept(self) -> int:
        return sum(map(self.width, self.prefixes))

    def _fit(self, more: int = 0) -> None:
        """Where `more` positions have no room, give back what nobody uses, then prefixes."""
        if self.limit and self.pool.allocated + self._kept + more > self.positions:
            self.pool.compact()
            self.prefixes.shrink(self.positions - self.pool.allocated - more, self.width)
