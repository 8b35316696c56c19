"""The guard before the app: key, host, origin, size and time of a request; and a client that has hung up.

It reads the whole body first, so nothing behind it waits for a client that is slow to send. After that it listens
only for the end of the connection: it then cancels what is being done for it.
"""

import asyncio
import hmac
import json
import re
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trivium.serve.error import ApiError, known, response
from trivium.serve.served import NOTE
from trivium.serve.settings import LOOPBACK, Settings

HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[\w.-]+)(:[0-9]+)?")
"""The header `Host`: a name or an address, and a port."""
OPEN = {"/", "/health", "/ready"}
"""The paths that need no key; the page adds its own."""


def unique_keys(body: bytes) -> None:
    """Raise an ApiError where an object of a JSON body has a key twice: one of the two values would be lost."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            twice = next(key for at, (key, _) in enumerate(pairs) if key in dict(pairs[:at]))
            raise ApiError(f"the body has the key {twice!r:.60} twice in one object", param=twice[:60])
        return found

    with suppress(ValueError, RecursionError):  # what is no JSON is for the route to tell
        json.loads(body, object_pairs_hook=once)


class HungUp(Exception):
    """The client has gone."""


class Guard:
    """An ASGI app around another."""

    def __init__(self, app: ASGIApp, settings: Settings, done: Callable[[dict[str, Any]], None]) -> None:
        """`done` gets what is known of each request at its end, for the log and the metrics."""
        self.app, self.settings, self.done = app, settings, done

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begin, note = time.monotonic(), {"method": scope["method"], "path": scope["path"], "status": 499}
        NOTE.set(note)
        scope = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope  # the protocol leaves the body out

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                note["status"] = message["status"]
            await send(message)

        try:
            try:
                headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
                self.check(scope, headers)
                body = await asyncio.wait_for(self._read(receive, headers), self.settings.receive_seconds)
            except TimeoutError:
                raise ApiError("the request did not arrive in time", 408) from None
            unique_keys(body)
            if self.settings.log_prompts:
                note["body"] = body.decode("utf-8", "replace")
            await self._answer(scope, body, receive, told)
        except HungUp:
            note["status"] = 499
        except Exception as wrong:
            if note["status"] == 499:  # the app has not told of it
                await response(known(wrong), scope["path"])(scope, receive, told)
        finally:
            note["route"] = getattr(scope.get("route"), "path", "other")
            note["seconds"] = round(time.monotonic() - begin, 4)
            self.done(note)

    def check(self, scope: Scope, headers: dict[str, str]) -> None:
        """Raise an ApiError for a foreign host or origin, and for a wrong key."""
        host, origin = headers.get("host", ""), headers.get("origin")
        name = HOST.fullmatch(host)
        if self.settings.host in LOOPBACK and (name is None or name[1].strip("[]").lower() not in LOOPBACK):
            raise ApiError(f"the host {host!r:.80} is not this machine", 403)
        allowed = self.settings.cors
        if origin is not None and "*" not in allowed and origin not in allowed and origin.split("://")[-1] != host:
            raise ApiError(f"the origin {origin!r:.80} may not ask; name it: --cors {origin:.80}", 403)
        if (coding := headers.get("content-encoding", "identity")) != "identity":
            raise ApiError(f"Content-Encoding {coding!r:.40}: expected a body that is not compressed", 415)
        if self.settings.key is None or scope["path"] in OPEN or scope["method"] == "OPTIONS":
            return
        given = headers.get("authorization", "")
        given = given[7:] if given[:7].lower() == "bearer " else headers.get("x-api-key", "")
        if not hmac.compare_digest(given.encode("latin-1"), self.settings.key.encode()):
            raise ApiError("the key is wrong or missing: send Authorization: Bearer KEY", 401, code="invalid_api_key")

    async def _read(self, receive: Receive, headers: dict[str, str]) -> bytes:
        limit, parts, size, more = self.settings.body_bytes, [], 0, True
        said = headers.get("content-length", "0")
        while more and not (said.isdecimal() and int(said[:20]) > limit) and size <= limit:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise HungUp
            parts.append(message.get("body", b""))
            size, more = size + len(parts[-1]), message.get("more_body", False)
        if more or size > limit:
            raise ApiError(f"the body is too large: expected at most {limit:,} bytes", 413)
        return b"".join(parts)

    async def _answer(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        """Run the app; cancel it as soon as the client hangs up."""
        given = False

        async def replay() -> Message:
            nonlocal given
            if given:  # the guard alone listens now
                await asyncio.Event().wait()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def listen() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass

        work, gone = asyncio.ensure_future(self.app(scope, replay, send)), asyncio.ensure_future(listen())
        try:
            await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise HungUp
            await work
        finally:
            for task in (work, gone):
                task.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await task
