"""Server-sent events: a stream of JSON objects as one response.

The first event is waited for before the status is sent, so that a refusal has its own status. A client that hangs up
closes the events, and with them the rows that make them.
"""

import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any, NamedTuple

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from trivium.serve.error import body, known

DONE = "[DONE]"


class Event(NamedTuple):
    """One event; `name` is its type, where the API names types."""

    data: Any
    name: str | None = None


def event(one: Event) -> str:
    """Return an event as the lines of a server-sent event."""
    text = one.data if isinstance(one.data, str) else json.dumps(one.data, separators=(",", ":"))
    return (f"event: {one.name}\n" if one.name else "") + f"data: {text}\n\n"


def line(one: Event) -> str:
    """Return an event as a line of JSON."""
    return json.dumps(one.data, separators=(",", ":")) + "\n"


class EventStream(Response):
    """A response that sends events as they come. An error after the first becomes the last event."""

    def __init__(
        self,
        events: AsyncGenerator[Event, None],
        write: Callable[[Event], str] = event,
        media_type: str = "text/event-stream",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(None, 200, {"Cache-Control": "no-store", "X-Accel-Buffering": "no", **(headers or {})})
        del self.headers["content-length"]
        self.headers["content-type"] = f"{media_type}; charset=utf-8"
        self.events, self.write = events, write

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self.events) as events:
            first = await anext(events)
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await self._send(send, first)
            try:
                async for one in events:
                    await self._send(send, one)
            except Exception as error:
                await self._send(send, self.failed(error, scope["path"]))
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send(self, send: Send, one: Event) -> None:
        await send({"type": "http.response.body", "body": self.write(one).encode(), "more_body": True})

    def failed(self, error: Exception, path: str) -> Event:
        """Return the event that tells of an error."""
        data = body(known(error), path)
        return Event(data, data.get("type"))  # an API that names events names this one too
