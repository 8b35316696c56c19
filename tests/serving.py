"""A server of tiny models: in this process for most tests, behind a socket for the clients that people use."""

import asyncio
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import torch

import trivium
from trivium.api import Model
from trivium.serve.app import build
from trivium.serve.served import Catalog
from trivium.serve.settings import Settings
from trivium.token.tokenizer import Tokenizer

CHAT = {"model": "llama", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 8}


def tiny(preset: str = "llama", **changes: Any) -> Model:
    """A model with random weights and a tokenizer of bytes."""
    tokenizer = Tokenizer.bytes()
    torch.manual_seed(0)
    size = {"layers": 2, "hidden_size": 32, "heads": 2, "vocab_size": tokenizer.size, "context": 128, **changes}
    return Model(trivium.build(preset, **size).transformer, tokenizer)


@contextmanager
def catalog(models: dict[str, Model] | None = None, **settings: Any) -> Iterator[Catalog]:
    """Models that are ready to be asked."""
    made = Catalog(Settings(**{"memory_gib": 0.25, **settings}))
    for name, model in (models or {"llama": tiny()}).items():
        made.add(name, model)
    made.ready = True
    try:
        yield made
    finally:
        made.close()


def ask(made: Catalog, *requests: Callable[[httpx.AsyncClient], Awaitable[Any]], **options: Any) -> list[Any]:
    """Send requests to a server in this process, side by side; return what each gives."""

    async def main() -> list[Any]:
        transport = httpx.ASGITransport(build(made))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60, **options) as client:
            return await asyncio.gather(*(one(client) for one in requests))

    return asyncio.run(main())


def post(made: Catalog, path: str, body: Any, **options: Any) -> httpx.Response:
    """Send one request to a server in this process."""
    return ask(made, lambda client: client.post(path, json=body, **options))[0]


@contextmanager
def behind_a_socket(made: Catalog) -> Iterator[str]:
    """Serve from another thread of this process; yield the address."""
    import uvicorn

    from trivium.serve import server

    listening = server.listen(made.settings.replace(port=0))
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)  # who does not read is soon seen
    running = uvicorn.Server(server.configuration(made))
    thread = threading.Thread(target=lambda: asyncio.run(running.serve([listening])), daemon=True)
    thread.start()
    while not running.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        running.should_exit = True
        thread.join(20)
