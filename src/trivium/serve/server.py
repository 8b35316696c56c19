"""The server: models are loaded beside a socket that listens already, and a signal ends it in order."""

import asyncio
import signal
import socket
from collections.abc import Callable
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from trivium.base.errors import ConfigError
from trivium.base.log import say
from trivium.serve.app import build
from trivium.serve.served import Catalog
from trivium.serve.settings import Settings


def protocol(settings: Settings) -> type[asyncio.Protocol]:
    """Return the protocol of a connection that ends where a head does not come in time, or what is sent is not read."""

    class Impatient(H11Protocol):
        late: asyncio.TimerHandle | None = None
        stalled: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self.late = self.loop.call_later(settings.receive_seconds, transport.abort)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            idle = self.cycle is None or self.cycle.response_complete  # a part of a head, no request
            if idle and self.late is None:
                self.late = self.loop.call_later(settings.receive_seconds, self.transport.abort)
            elif not idle and self.late is not None:
                self.late.cancel()
                self.late = None

        def pause_writing(self) -> None:
            super().pause_writing()
            self.stalled = self.loop.call_later(settings.stall_seconds, self.transport.abort)

        def resume_writing(self) -> None:
            super().resume_writing()
            if self.stalled is not None:
                self.stalled.cancel()

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            for timer in filter(None, (self.late, self.stalled)):
                timer.cancel()

    return Impatient


def configuration(catalog: Catalog) -> uvicorn.Config:
    """Return how uvicorn serves a catalog."""
    settings = catalog.settings
    return uvicorn.Config(
        build(catalog),
        http=protocol(settings),
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        h11_max_incomplete_event_size=settings.header_bytes,
        timeout_graceful_shutdown=int(settings.grace_seconds),
    )


def listen(settings: Settings) -> socket.socket:
    """Return a socket that listens at the address of the settings; a ConfigError where none can."""
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        return socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as failed:
        why = failed.strerror or failed
        raise ConfigError(f"cannot listen at {settings.host}, port {settings.port}: {why}; try --port 0") from None


def run(catalog: Catalog, load: Callable[[], None]) -> None:
    """Serve until a signal; `load` fills the catalog while the server already listens. Raise what `load` raises."""
    settings, listening = catalog.settings, listen(catalog.settings)
    server, failed = uvicorn.Server(configuration(catalog)), list[BaseException]()
    previous = signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn raises it again at its end: an ordinary one

    async def main() -> None:
        serving = asyncio.ensure_future(server.serve([listening]))
        try:
            await asyncio.to_thread(load)
            catalog.ready = True
            say(f"ready: http://{settings.host}:{listening.getsockname()[1]}")
        except BaseException as error:
            failed.append(error)
            server.should_exit = True
        await serving

    try:
        asyncio.run(main())
    finally:
        signal.signal(signal.SIGTERM, previous)
        catalog.close()
    if failed:
        raise failed[0]
