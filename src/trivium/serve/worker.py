"""A worker: the one thread that computes with a model, and the streams of what it writes.

Requests come from an event loop, which never computes. The thread runs the engine step by step and hands pieces of text
back to the loop. Other work with the model (vectors, labels) is done between two steps.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Thread
from typing import Any, NamedTuple, TypeVar

from trivium.api import Model
from trivium.base.errors import TriviumError
from trivium.infer.engine import InferenceEngine
from trivium.infer.row import Chance, Row
from trivium.infer.write import TextStream

T = TypeVar("T")


class QueueFull(TriviumError):
    """More rows wait than the server allows."""


class Delta(NamedTuple):
    """What one row has written since its last piece. With a `reason` it is the last one."""

    row: int
    text: str
    ids: list[int]
    chances: list[Chance]
    reason: str | None = None


@dataclass
class Writing:
    """Rows of one request, and where their pieces go."""

    rows: Sequence[Row]
    streams: Sequence[TextStream]
    emit: Callable[[Delta | Exception], object]
    sent: list[int] = field(default_factory=list)
    """How many ids of each row are in a piece."""
    pushed: list[int] = field(default_factory=list)
    """How many ids of each row are in its stream of text."""


def fulfil(future: "Future[T]", function: Callable[[], T]) -> None:
    """Run a function; its result or error becomes that of a future, unless nobody waits for it."""
    if future.set_running_or_notify_cancel():
        try:
            future.set_result(function())
        except BaseException as error:
            future.set_exception(error)


class Worker(Thread):
    """The thread of one model."""

    def __init__(self, model: Model, memory: int, waiting: int = 64, exact: bool = False) -> None:
        """`memory` is in bytes, for keys and values; at most `waiting` rows wait for it."""
        super().__init__(name=f"worker of {model.name}", daemon=True)
        self.model, self.waiting = model, waiting
        decoder = model.config.decoder is not None
        self.engine = InferenceEngine(model.transformer, memory, exact) if decoder else None
        self._inbox: SimpleQueue[Callable[[], Any] | None] = SimpleQueue()
        self._jobs: dict[int, tuple[Writing, int]] = {}  # by the identity of the row
        self._rows = 0

    @property
    def load(self) -> tuple[int, int]:
        """How many rows run, and how many wait."""
        running = sum(row.reason is None for row in self.engine.running) if self.engine else 0
        return running, max(self._rows - running, 0)

    def run(self) -> None:
        """Compute until `close`."""
        while True:
            while not self._inbox.empty() or not self._jobs:
                if (work := self._inbox.get()) is None:
                    return
                work()
            self._step()

    def close(self) -> None:
        """End the thread after the work that is in the inbox."""
        self._inbox.put(None)

    def call(self, function: Callable[[], T]) -> "Future[T]":
        """Run a function between two steps; return its future result."""
        future: Future[T] = Future()
        self._inbox.put(lambda: fulfil(future, function))
        return future

    async def write(self, rows: Sequence[Row], stop: Sequence[str] = ()) -> AsyncGenerator[Delta, None]:
        """Write rows; yield their pieces as they come, the last one of each row with its reason.

        Raise QueueFull where too many rows wait. Where the caller stops to read, the rows leave before the next step.
        """
        if self._rows + len(rows) > self.waiting:
            raise QueueFull(f"{self._rows} rows are in progress or wait; at most {self.waiting} may")
        loop, pieces = asyncio.get_running_loop(), asyncio.Queue[Delta | Exception]()
        streams = [TextStream(self.model.tokenizer, stop) for _ in rows]

        def emit(piece: Delta | Exception) -> None:
            with suppress(RuntimeError):  # the loop has ended, and nobody listens
                loop.call_soon_threadsafe(pieces.put_nowait, piece)

        job = Writing(rows, streams, emit, [0] * len(rows), [0] * len(rows))
        self._rows += len(rows)
        try:
            self._inbox.put(lambda: self._begin(job))
            live = len(rows)
            while live:
                piece = await pieces.get()
                if isinstance(piece, Exception):
                    raise piece
                live -= piece.reason is not None
                yield piece
        finally:
            self._rows -= len(rows)
            for row in rows:
                row.reason = row.reason or "cancelled"

    def _begin(self, job: Writing) -> None:
        assert self.engine is not None
        try:
            for row in job.rows:
                self.engine.submit(row)
        except TriviumError as wrong:
            for row in job.rows:
                row.reason = "error"
            job.emit(wrong)
            return
        self._jobs.update({id(row): (job, at) for at, row in enumerate(job.rows)})

    def _step(self) -> None:
        assert self.engine is not None
        try:
            new = self.engine.step()
        except Exception as error:  # one bad row must not end the thread
            for job, at in list(self._jobs.values()):
                job.rows[at].reason = "error"
                job.emit(error)
            self._jobs.clear()
            return
        texts: dict[int, str] = {}
        for row, index in new:
            if id(row) in self._jobs:
                job, at = self._jobs[id(row)]
                if job.streams[at].stopped:  # what came in the same step behind a stop text
                    continue
                texts[id(row)] = texts.get(id(row), "") + job.streams[at].push(index)
                job.pushed[at] += 1
                if job.streams[at].stopped:
                    row.end("stop", job.pushed[at])
        for key, (job, at) in list(self._jobs.items()):
            row, text = job.rows[at], texts.get(key, "")
            if row.reason is not None:
                text += job.streams[at].flush()
                del self._jobs[key]
            if text or row.reason is not None:
                sent, job.sent[at] = job.sent[at], len(row.ids)
                job.emit(Delta(at, text, row.ids[sent:], row.chances[sent:], row.reason))
