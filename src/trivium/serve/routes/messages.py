"""Messages: `/v1/messages`, a conversation in Anthropic's form, with its events in their order."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing
from typing import Annotated, Any, ClassVar, Literal
from uuid import uuid4

from fastapi import APIRouter
from pydantic import BeforeValidator, Field, model_validator
from starlette.responses import JSONResponse, Response

from trivium.base.config import Config, Seq, as_tuple
from trivium.serve.answer import speak
from trivium.serve.ask import Ask, Stops, TextAsk, TextJob, talk, without
from trivium.serve.error import FORMS, ApiError
from trivium.serve.served import Models, Served
from trivium.serve.sse import Event, EventStream
from trivium.serve.tool import Call, Function, Name, Said, Tools, tools_of

router = APIRouter()
ERRORS = {413: "request_too_large", 500: "api_error", 503: "overloaded_error"}
FORMS["/v1/messages"] = lambda error: {
    "type": "error",
    "error": {"type": ERRORS.get(error.status, error.type), "message": error.message},
}


class ContentBlock(Config):
    """A block of a message: a text, a call of a tool, or the result of one."""

    type: Literal["text", "tool_use", "tool_result"]
    text: str | None = None
    id: str | None = None
    name: str | None = None
    input: Mapping[str, Any] | None = None
    tool_use_id: str | None = None
    content: "Blocks | None" = None
    fields: ClassVar = {
        "text": {"text"},
        "tool_use": {"id", "name", "input"},
        "tool_result": {"tool_use_id", "content"},
    }

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, data: Any) -> Any:
        if isinstance(data, dict):
            data = {key: value for key, value in data.items() if key != "cache_control"}
        return without(data, {"citations": (), "is_error": [False]})

    @model_validator(mode="after")
    def _whole(self) -> "ContentBlock":
        given, wanted = self.model_fields_set - {"type"}, self.fields[self.type]
        if given - wanted or (wanted - {"content"}) - given:
            raise ValueError(f"a block of type {self.type} has {', '.join(sorted(wanted))}")
        return self


Blocks = Annotated[
    tuple[ContentBlock, ...],
    BeforeValidator(lambda said: ({"type": "text", "text": said},) if isinstance(said, str) else as_tuple(said)),
]
"""The content of a message: a text, or a list of blocks."""
ContentBlock.model_rebuild()


def words(blocks: Sequence[ContentBlock]) -> str:
    """Return the texts of blocks; an ApiError for any other block among them."""
    if other := [one.type for one in blocks if one.type != "text"]:
        raise ApiError(f"a block of type {other[0]} cannot stand here", param="messages")
    return "".join(one.text or "" for one in blocks)


class MessageTurn(Config):
    """One message of a conversation."""

    role: Literal["user", "assistant"]
    content: Blocks = Field(min_length=1)

    def said(self) -> Iterator[Said]:
        """Yield the turns that the message is: results of tools first."""
        for one in self.content:
            if one.type == "tool_result" and self.role == "user":
                yield Said("tool", words(one.content or ()), call=one.tool_use_id)
        rest = [one for one in self.content if one.type != "tool_result" or self.role != "user"]
        calls = [one for one in rest if one.type == "tool_use" and self.role == "assistant"]
        made = tuple(Call(one.name or "", json.dumps(one.input, ensure_ascii=False), one.id or "") for one in calls)
        if rest:
            yield Said(self.role, words([one for one in rest if one not in calls]), made)


class MessageTool(Config):
    """A tool that a model may call."""

    name: Name
    description: str | None = None
    input_schema: Mapping[str, Any]

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, data: Any) -> Any:
        if isinstance(data, dict):
            data = {key: value for key, value in data.items() if key != "cache_control"}
        return without(data, {"type": ["custom"]})


class MessageToolChoice(Config):
    """Whether a tool is called, and which."""

    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool = False

    @model_validator(mode="after")
    def _named(self) -> "MessageToolChoice":
        if (self.name is not None) != (self.type == "tool"):
            raise ValueError("name: expected beside type tool, and only there")
        return self


class MessagesAsk(Ask):
    """The body of a question in Anthropic's form."""

    SILENT: ClassVar = Ask.SILENT | {"cache_control"}
    NEUTRAL: ClassVar[Mapping[str, Sequence[Any]]] = {
        "service_tier": ["auto", "standard_only"],
        "thinking": [{"type": "disabled"}],
        "mcp_servers": [[]],
        **dict.fromkeys(("container", "context_management", "output_config"), ()),
    }

    max_tokens: int = Field(ge=1)
    messages: Seq[MessageTurn] = Field(min_length=1, max_length=1024)
    system: Blocks = ()
    stop_sequences: Stops = ()
    temperature: float = Field(1.0, ge=0, le=1)
    top_p: float = Field(1.0, gt=0, le=1)
    top_k: int | None = Field(None, ge=1)
    stream: bool = False
    tools: Seq[MessageTool] = ()
    tool_choice: MessageToolChoice | None = None

    @model_validator(mode="after")
    def _asked(self) -> "MessagesAsk":
        if self.messages[-1].role != "user":
            raise ValueError("messages: expected the user's as the last one: an answer cannot be begun for the model")
        return self

    @property
    def text(self) -> TextAsk:
        """How the answer is written."""
        same = {"model", "max_tokens", "temperature", "top_p", "top_k"} & self.model_fields_set
        return TextAsk(**{name: getattr(self, name) for name in same}, stop=self.stop_sequences)

    @property
    def turns(self) -> list[Said]:
        """The conversation."""
        system = [Said("system", words(self.system))] if self.system else []
        return [*system, *(said for one in self.messages for said in one.said())]

    @property
    def may_call(self) -> Tools:
        """What the model may call, and must."""
        choice = self.tool_choice or MessageToolChoice(type="auto")
        functions = [Function(name=t.name, description=t.description, parameters=t.input_schema) for t in self.tools]
        named = {"any": "required", "tool": f"={choice.name}"}.get(choice.type, choice.type)
        return tools_of(functions, named, not choice.disable_parallel_tool_use)


@router.post("/v1/messages")
async def messages(ask: MessagesAsk, models: Models) -> Response:
    """Answer a conversation."""
    served = models.find(ask.model, "chat")
    job = await asyncio.to_thread(talk, served, ask.text, ask.turns, None, ask.may_call)
    if ask.stream:
        return EventStream(Event(one, one["type"]) async for one in events(served, job, ask.stop_sequences))
    message: dict[str, Any] = {}
    blocks: list[dict[str, Any]] = []
    async for one in events(served, job, ask.stop_sequences):
        match one["type"]:
            case "message_start":
                message = one["message"]
            case "content_block_start":
                blocks.append(one["content_block"])
            case "content_block_delta" if one["delta"]["type"] == "text_delta":
                blocks[-1]["text"] += one["delta"]["text"]
            case "content_block_delta":
                blocks[-1]["input"] = json.loads(one["delta"]["partial_json"])
            case "message_delta":
                message |= {**one["delta"], "usage": message["usage"] | one["usage"]}
    return JSONResponse({**message, "content": blocks})


async def events(served: Served, job: TextJob, stops: Sequence[str]) -> AsyncIterator[dict[str, Any]]:
    """Yield the events of an answer: the message, its blocks with their pieces, why it ended, the end."""
    at, opened, text, called = -1, "", "", False

    def begin(block: dict[str, Any]) -> dict[str, Any]:
        nonlocal at, opened
        at, opened = at + 1, block["type"]
        return {"type": "content_block_start", "index": at, "content_block": block}

    def add(**delta: str) -> dict[str, Any]:
        return {"type": "content_block_delta", "index": at, "delta": delta}

    async with aclosing(speak(served, job)) as pieces:
        async for piece in pieces:
            if at < 0:
                yield start(served, job)
            if opened and not (opened == "text" and isinstance(piece, str)):
                yield {"type": "content_block_stop", "index": at}
            if isinstance(piece, Call):
                called = True
                yield begin({"type": "tool_use", "id": piece.id, "name": piece.name, "input": {}})
                yield add(type="input_json_delta", partial_json=piece.arguments)
                continue
            if opened != "text":
                yield begin({"type": "text", "text": ""})
            text += piece
            yield add(type="text_delta", text=piece)
    if at < 0:
        yield start(served, job)
        yield begin({"type": "text", "text": ""})
    yield {"type": "content_block_stop", "index": at}
    stop = None if called else await asyncio.to_thread(stopped, served, job, text, stops)
    length = job.rows[0].reason != "stop"
    reason = "stop_sequence" if stop else "max_tokens" if length else "tool_use" if called else "end_turn"
    usage = {"output_tokens": job.usage()["completion_tokens"]}
    yield {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": stop}, "usage": usage}
    yield {"type": "message_stop"}


def start(served: Served, job: TextJob) -> dict[str, Any]:
    """Return the first event: the message without its content."""
    usage = job.usage()
    cached = usage["prompt_tokens_details"]["cached_tokens"]
    message: dict[str, Any] = {
        "id": f"msg_{uuid4().hex}",
        "type": "message",
        "role": "assistant",
        "model": served.name,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {
            "input_tokens": usage["prompt_tokens"] - cached,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": cached,
            "output_tokens": 0,
        },
    }
    return {"type": "message_start", "message": message}


def stopped(served: Served, job: TextJob, text: str, stops: Sequence[str]) -> str | None:
    """Return the stop that has cut an answer to `text`; None where it ended of itself."""
    whole = served.model.tokenizer.decode(job.rows[0].ids, skip_special=True)
    if job.rows[0].reason != "stop" or not whole.startswith(text):
        return None
    return next((stop for stop in stops if whole.startswith(stop, len(text))), None)
