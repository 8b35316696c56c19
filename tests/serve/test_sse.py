"""A stream tells a refusal by its status, and a later error by its last event."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from trivium.serve.error import ApiError
from trivium.serve.sse import DONE, Event, EventStream, event, line


def test_events_and_lines() -> None:
    assert event(Event({"a": 1})) == 'data: {"a":1}\n\n' and event(Event(DONE)) == "data: [DONE]\n\n"
    assert event(Event({"a": "\n"}, "x")) == 'event: x\ndata: {"a":"\\n"}\n\n' and line(Event({"a": 1})) == '{"a":1}\n'


def sent(events: AsyncIterator[Event]) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        out.append(message)

    async def receive() -> Any:
        await asyncio.Event().wait()

    asyncio.run(EventStream(events)({"type": "http", "path": "/v1/x"}, receive, send))
    return out


def test_an_error_is_the_last_event_or_no_stream_at_all() -> None:
    async def late() -> AsyncIterator[Event]:
        yield Event({"a": 1})
        raise ApiError("too late", 500)

    async def early() -> AsyncIterator[Event]:
        raise ApiError("no", 429)
        yield Event({})

    start, first, last, end = sent(late())
    assert start["status"] == 200 and first["body"] == b'data: {"a":1}\n\n' and not end["more_body"]
    assert json.loads(last["body"][6:])["error"]["message"] == "too late"
    with pytest.raises(ApiError, match="no"):
        sent(early())


def test_who_leaves_closes_the_events() -> None:
    closed = []

    async def endless() -> AsyncIterator[Event]:
        try:
            while True:
                yield Event({})
        finally:
            closed.append(True)

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            raise OSError("gone")

    async def main() -> None:
        with pytest.raises(OSError, match="gone"):
            await EventStream(endless())({"type": "http", "path": "/"}, None, send)  # type: ignore[arg-type]
        assert closed == [True]

    asyncio.run(main())
