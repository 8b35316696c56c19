"""The models of a server by name, each with its worker, and what each can answer."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request
from torch import nn

from trivium.api import Model, load
from trivium.base.errors import ConfigError
from trivium.base.log import say
from trivium.infer.row import Row
from trivium.model.device import pick
from trivium.serve.error import ApiError
from trivium.serve.settings import Settings
from trivium.serve.worker import Delta, QueueFull, Worker

T = TypeVar("T")

NOTE: ContextVar[dict[str, Any]] = ContextVar("note")
"""What is known of the request that is being answered: see `guard`."""
CALL_INPUTS = 32
"""The inputs of a request that a worker reads at once; between two such parts it does other work."""
ANSWERS: dict[str, Callable[[Model], bool]] = {}
"""What can be asked of a model, and whether it can answer; each file of routes adds its own."""


def of_texts(model: Model) -> bool:
    """Return whether a model reads texts alone: one of pictures is asked in a chat."""
    return model.config.pictures is None


class Served:
    """One model behind a name."""

    def __init__(self, name: str, model: Model, settings: Settings) -> None:
        model.name = name  # what errors say; a client is not to see paths
        self.name, self.model, self.settings, self.created = name, model, settings, int(time.time())
        self.worker = Worker(model, int(settings.memory_gib * 2**30), settings.waiting, settings.exact)
        self._calls = 0
        self.worker.start()

    @property
    def answers(self) -> list[str]:
        """What the model can answer."""
        return [name for name, can in sorted(ANSWERS.items()) if can(self.model)]

    @property
    def about(self) -> str:
        """What the model can do, and the room for its rows, in one line."""
        line, engine = f"{self.name}: {self.model.config.family}; {', '.join(self.answers)}", self.worker.engine
        if engine is None:
            return line
        whole = engine.memory.positions / self.context
        return (
            f"{line}; {self.settings.memory_gib:g} GiB for the keys and values of {engine.memory.positions:,} tokens, "
            + (f"{whole:,.1f} whole contexts of {self.context:,}")
        )

    @property
    def context(self) -> int:
        """The most tokens that the model reads."""
        config = self.model.config
        return min(config.context, config.limit or config.context)

    async def compute(self, function: Callable[[], T]) -> T:
        """Run a function on the worker, between two steps of the rows that are written; QueueFull if too many wait."""
        if self._calls >= self.settings.waiting:
            raise QueueFull(f"{self._calls} calls wait; at most {self.settings.waiting} may")
        self._calls += 1
        try:
            return await asyncio.wrap_future(self.worker.call(function))
        finally:
            self._calls -= 1

    async def write(self, rows: Sequence[Row], stop: Sequence[str] = ()) -> AsyncGenerator[Delta, None]:
        """Write rows: see `Worker.write`. Rows that take too long end for the reason `length`."""
        loop = asyncio.get_running_loop()

        def end() -> None:
            for row in rows:
                row.reason = row.reason or "length"

        timer, begin, note = loop.call_later(self.settings.answer_seconds, end), loop.time(), NOTE.get({})
        try:
            async with aclosing(self.worker.write(rows, stop)) as deltas:
                async for delta in deltas:
                    note.setdefault("first_seconds", round(loop.time() - begin, 4))
                    yield delta
        finally:
            timer.cancel()
            read = sum(row.given - row.hit for row in rows)
            note.update(model=self.name, read=read, written=sum(len(row.ids) for row in rows))
            guesses = [row.lookup for row in rows if row.lookup is not None]
            note.update(guessed=sum(one.proposed for one in guesses), right=sum(one.accepted for one in guesses))


class Catalog:
    """All models of a server. It is ready when all are loaded."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.ready = settings, False
        self.served: dict[str, Served] = {}

    def add(self, name: str, model: Model) -> Served:
        """Serve a model; weights that are equal to those of a model before it are kept once."""
        for other in self.served.values():
            share(model.transformer, other.model.transformer)
        self.served[name] = Served(name, model, self.settings)
        return self.served[name]

    def check(self) -> None:
        """Raise an ApiError while models are being loaded."""
        if not self.ready:
            raise ApiError("the models are being loaded", 503, code="loading")

    def find(self, name: str, answer: str | None = None) -> Served:
        """Return the model of a name, that can give an answer; an ApiError says what is wrong."""
        self.check()
        if (found := self.served.get(name)) is None:
            names = ", ".join(self.served)
            raise ApiError(f"there is no model {name!r:.80}; there are: {names}", 404, "model", "model_not_found")
        if answer is not None and answer not in (can := found.answers):
            raise ApiError(f"the model {name} cannot do this ({answer}); it can: {', '.join(can)}", 400, "model")
        return found

    def close(self) -> None:
        """End the workers."""
        for one in self.served.values():
            one.worker.close()


def share(new: nn.Module, old: nn.Module) -> None:
    """Let a module use the weights of another wherever they are equal: an adapter then costs what it changes."""
    known = dict(old.named_parameters())
    for name, weight in new.named_parameters():
        other = known.get(name)
        if other is not None and other.shape == weight.shape and other.dtype == weight.dtype and other.equal(weight):
            weight.data = other.data


def loader(catalog: Catalog, named: Sequence[tuple[str, str]], check: str | None = None) -> Callable[[], None]:
    """Return a function that loads the models of (name, folder) pairs into a catalog.

    `check` is the text on which each tells what its weights cost: see `task/check`.
    """

    def load_all() -> None:
        weights = catalog.settings.weights
        for name, folder in named:
            model = load(folder, device=pick(), weights=weights)
            if check is not None:
                from trivium.task.check import check as compare  # the trainer's room takes a while

                say(f"{name}: {compare(folder, model, weights, check)}")
            say(catalog.add(name, model).about)

    return load_all


def labels(folders: Sequence[str], names: Sequence[str] = ()) -> Iterator[tuple[str, str]]:
    """Yield (name, folder): the names that are given, else the last part of a folder, or its run's for `model`.

    Raise ConfigError where two models have one name, or where there are other names than folders.
    """
    if names and len(names) != len(folders):
        raise ConfigError(f"--served-model-name: expected one for each of {len(folders)} models, found {len(names)}")
    seen: set[str] = set()
    for at, folder in enumerate(folders):
        path = Path(folder).absolute()
        name = folder.removeprefix("hf:") if folder.startswith("hf:") else path.name
        name = names[at] if names else (path.parent.name or name) if name == "model" else name
        if name in seen:
            raise ConfigError(f"two models have the name {name!r}; name each: --served-model-name NAME")
        seen.add(name)
        yield name, folder


def catalog_of(request: Request) -> Catalog:
    """Return the models of the server that a request reached."""
    found: Catalog = request.app.state.catalog
    return found


Models = Annotated[Catalog, Depends(catalog_of)]
"""The parameter of a route that gets the models."""
