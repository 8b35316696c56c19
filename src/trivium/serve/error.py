"""Errors of the server: each is one JSON object in OpenAI's form, with the right status and no traceback."""

import json
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from trivium.base.errors import NumericsError, TriviumError
from trivium.base.explain import worded
from trivium.base.log import warn
from trivium.infer.chat import ContextExceeded
from trivium.serve.worker import QueueFull

MOST = 8
"""The most fields that one error names."""
AGAIN, CLOSE = {"Retry-After": "1"}, {"Connection": "close"}
HEADERS = {401: {"WWW-Authenticate": "Bearer"}, 408: CLOSE, 413: CLOSE, 429: AGAIN, 503: AGAIN}
"""The headers of an error by its status: when to try again, and that the rest of a body is not read."""
TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    500: "server_error",
    503: "service_unavailable_error",
}
"""The `type` of an error by its status; of all others it is `invalid_request_error`."""


class ApiError(Exception):
    """A refusal with its status. `param` is the field of the request that is to blame."""

    def __init__(self, message: str, status: int = 400, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message, self.status, self.param, self.code = message, status, param, code

    @property
    def type(self) -> str:
        """The kind of error in OpenAI's words."""
        return TYPES.get(self.status, "invalid_request_error")

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the response."""
        return HEADERS.get(self.status, {})


def openai(error: ApiError) -> dict[str, Any]:
    """Return the body of an error in OpenAI's form."""
    return {"error": {"message": error.message, "type": error.type, "param": error.param, "code": error.code}}


FORMS: dict[str, Callable[[ApiError], dict[str, Any]]] = {}
"""The form of the errors of a path, where it is not OpenAI's; a file of routes adds its own."""


def body(error: ApiError, path: str) -> dict[str, Any]:
    """Return the body of an error as the clients of a path expect it."""
    return FORMS.get(path, openai)(error)


def response(error: ApiError, path: str) -> Response:
    """Return an error as a response."""
    text = json.dumps(body(error, path))  # ASCII: what a client sent may hold half a character
    return Response(text, error.status, error.headers, "application/json")


def known(error: Exception) -> ApiError:
    """Return what a client is told of any error; one that is ours alone says nothing of its inside."""
    match error:
        case ApiError():
            return error
        case QueueFull():
            return ApiError(f"{error}; try again later", 429, code="queue_full")
        case ContextExceeded():
            return ApiError(str(error), 400, code="context_length_exceeded")
        case NumericsError():
            return ApiError(str(error), 500)
        case TriviumError():
            return ApiError("; ".join(str(error).splitlines()), 400)
        case RequestValidationError():
            return _misfit(error.errors())
        case HTTPException():
            return ApiError(str(error.detail), 400 if error.status_code == 422 else error.status_code)
        case _:
            warn("".join(traceback.format_exception(error)).rstrip())
            return ApiError("the server failed; its log says why", 500)


def _misfit(problems: Any) -> ApiError:
    """Return the error of a body that does not fit its model: the problem of each field; `param` is the first one."""
    told: dict[str, str] = {}
    around: set[str] = set()
    for problem in problems:
        place = [str(one) for one in problem["loc"][1:] if str(one).isidentifier() or isinstance(one, int)]
        if (
            name := ".".join(place)
        ) not in told and name not in around:  # a list with a wrong entry counts as too short
            told[name] = _told(problem, name)
            around |= {".".join(place[:end]) for end in range(len(place))}
    more = f"; and {len(told) - MOST:,} more" if len(told) > MOST else ""
    return ApiError("; ".join(list(told.values())[:MOST]) + more, param=next(iter(told)) or None)


def _told(problem: Mapping[str, Any], name: str) -> str:
    """Return one problem in words; `name` is the field's, empty for the whole body."""
    if problem["type"] == "json_invalid":
        return f"the body is no JSON: {problem.get('ctx', {}).get('error', 'it cannot be read')}"
    if problem["type"] == "extra_forbidden":
        return f"{name}: this field is not known here, or not with the value {problem['input']!r:.60}"
    words = worded(problem)
    if problem["type"] == "value_error":
        return f"{name}: {words}" if name else words
    if not name:
        return "expected a JSON object as body, with the header Content-Type: application/json"
    found = "" if problem["type"] == "missing" else f", found {problem['input']!r:.60}"
    return f"{name}: {words}{found}"


def install(app: FastAPI) -> None:
    """Make every error of an app one of ours."""

    async def handle(request: Request, error: Exception) -> Response:
        return response(known(error), request.url.path)

    for kind in (ApiError, TriviumError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, handle)
