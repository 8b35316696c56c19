"""The server: models are loaded beside a socket that listens already, and a signal ends it in order."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from trivium.base.errors import ConfigError
from trivium.base.log import say
from trivium.serve.app import build
from trivium.serve.error import ApiError, response
from trivium.serve.served import Catalog
from trivium.serve.settings import Settings
from trivium.serve.worker import fulfil


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

        def send_400_response(self, msg: str) -> None:
            """Refuse what is no request, or one whose head is too large, in the form of all errors; then close."""
            status = getattr(sys.exc_info()[1], "error_status_hint", 400)
            if status == 431:
                msg = f"the head of the request is too large: expected at most {settings.header_bytes:,} bytes"
            answer = response(ApiError(msg, status), "")
            if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                head = [*answer.raw_headers, (b"connection", b"close")]
                events = (
                    h11.Response(status_code=status, headers=head),
                    h11.Data(bytes(answer.body)),
                    h11.EndOfMessage(),
                )
                self.transport.write(b"".join(self.conn.send(one) or b"" for one in events))
            self.transport.close()

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
    server, loading = uvicorn.Server(configuration(catalog)), Future[None]()

    def stop(*_: object) -> None:  # before uvicorn listens to signals; and at its end, where it raises it once more
        server.should_exit = True

    previous = signal.signal(signal.SIGTERM, stop)

    async def main() -> None:
        serving, loaded = asyncio.ensure_future(server.serve([listening])), asyncio.wrap_future(loading)
        await asyncio.wait((serving, loaded), return_when=asyncio.FIRST_COMPLETED)
        if loaded.done() and loaded.exception() is None:
            catalog.ready = True
            say(f"ready: http://{settings.host}:{listening.getsockname()[1]}")
        elif loaded.done():
            stop()
        await serving

    Thread(target=fulfil, args=(loading, load), daemon=True).start()
    try:
        asyncio.run(main())
    finally:
        signal.signal(signal.SIGTERM, previous)
        catalog.close()
    if not loading.done():  # a signal has come first; Python would wait for the thread, or break it off inside torch
        sys.stdout.flush()
        os._exit(0)
    loading.result()
