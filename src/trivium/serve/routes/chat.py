"""Chat completions: `/v1/chat/completions`, for decoders and for encoder-decoders."""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Annotated, Any, ClassVar, Literal
from uuid import uuid4

from fastapi import APIRouter
from pydantic import BeforeValidator, Field, model_validator
from starlette.responses import JSONResponse, Response

from trivium.base.config import Config, Seq, as_tuple
from trivium.infer.padding import agree
from trivium.infer.request import writes
from trivium.serve.answer import Answer, Token, finish, gather, token_of
from trivium.serve.ask import AnswerFormat, Ask, TextAsk, TextJob, check, look, talk, without
from trivium.serve.error import ApiError
from trivium.serve.served import ANSWERS, Models, Served
from trivium.serve.sse import DONE, Event, EventStream
from trivium.serve.tool import Call, Function, Said, Speech, Tools, tools_of
from trivium.token.tokenizer import Tokenizer

router = APIRouter()
ANSWERS["chat"] = lambda model: writes(model.config)


class ImageUrl(Config):
    """A picture as `data:image/...;base64,...`; no other address is fetched."""

    url: str

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, data: Any) -> Any:
        return without(data, {"detail": ["auto"]})


class Part(Config):
    """A part of a message: a text, or a picture."""

    text: str = ""
    image_url: ImageUrl | None = None

    @model_validator(mode="before")
    @classmethod
    def _text(cls, data: Any) -> Any:
        if isinstance(data, dict) and (data.get("type") == "image_url") != ("image_url" in data):
            raise ValueError("expected a part of type text with a text, or of type image_url with an image_url")
        if isinstance(data, dict) and "image_url" not in data and "text" not in data:
            raise ValueError("text: required, and not given")
        return without(data, {"type": ["text", "image_url"]})


Parts = Annotated[
    tuple[Part, ...], BeforeValidator(lambda said: ({"text": said},) if isinstance(said, str) else as_tuple(said))
]
"""The content of a message: a text, or a list of parts."""


class CalledFunction(Config):
    """A function that was called, and the JSON of its arguments."""

    name: str
    arguments: str


class ToolCall(Config):
    """A call in an earlier answer."""

    id: str
    function: CalledFunction

    @model_validator(mode="before")
    @classmethod
    def _function(cls, data: Any) -> Any:
        return without(data, {"type": ["function"], "index": ()})


class Tool(Config):
    """A tool that a model may call."""

    function: Function

    @model_validator(mode="before")
    @classmethod
    def _function(cls, data: Any) -> Any:
        return without(data, {"type": ["function"]})


class NamedFunction(Config):
    """The name of a tool."""

    name: str


class ToolChoice(Config):
    """The tool that has to be called."""

    function: NamedFunction

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, data: Any) -> Any:
        return without(data, {"type": ["function"]})


class Turn(Config):
    """One message of a conversation."""

    NEUTRAL: ClassVar[Mapping[str, Sequence[Any]]] = {
        "tool_calls": [[]],
        "content": (),
        "annotations": [[]],
        **dict.fromkeys(("name", "refusal", "audio", "function_call", "reasoning_content"), ()),
    }
    """What clients send back of an answer, and what they send of every message, where it says nothing."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Parts
    tool_calls: Seq[ToolCall] = ()
    tool_call_id: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _said(cls, data: Any) -> Any:
        data = without(data, cls.NEUTRAL)
        return {"content": (), **data} if isinstance(data, dict) and data.get("tool_calls") else data

    @model_validator(mode="after")
    def _whole(self) -> "Turn":
        if (self.tool_calls and self.role != "assistant") or (self.tool_call_id is not None and self.role != "tool"):
            raise ValueError("tool_calls are the assistant's, a tool_call_id is the tool's")
        return self

    @property
    def said(self) -> Said:
        """The turn without its form."""
        calls = tuple(Call(one.function.name, one.function.arguments, one.id) for one in self.tool_calls)
        return Said(self.role, "".join(part.text for part in self.content), calls, self.tool_call_id)

    @property
    def pictures(self) -> list[str]:
        """The addresses of its pictures."""
        return [part.image_url.url for part in self.content if part.image_url is not None]


class ChatAsk(TextAsk):
    """The body of a chat completion."""

    NEUTRAL: ClassVar[Mapping[str, Sequence[Any]]] = {
        **Ask.NEUTRAL,
        "modalities": [["text"]],
        "functions": [[]],
        "function_call": ["none", "auto"],
        "verbosity": ["medium"],
        **dict.fromkeys(("audio", "max_completion_tokens", "prediction", "reasoning_effort", "web_search_options"), ()),
    }

    messages: Seq[Turn] = Field(min_length=1, max_length=1024)
    logprobs: bool = False
    top_logprobs: int | None = Field(None, ge=0, le=20)
    response_format: AnswerFormat | None = None
    tools: Seq[Tool] = ()
    tool_choice: Literal["none", "auto", "required"] | ToolChoice = "auto"
    parallel_tool_calls: bool = True

    @model_validator(mode="before")
    @classmethod
    def _one_limit(cls, data: Any) -> Any:
        """Read `max_completion_tokens` as `max_tokens`, of which it is the newer name."""
        if isinstance(data, dict) and data.get("max_completion_tokens") is not None:
            if data.get("max_tokens") not in (None, data["max_completion_tokens"]):
                raise ValueError("max_tokens and max_completion_tokens differ; give one")
            data = {**data, "max_tokens": data["max_completion_tokens"]}
            del data["max_completion_tokens"]
        return data

    @model_validator(mode="after")
    def _likely(self) -> "ChatAsk":
        if self.top_logprobs is not None and not self.logprobs:
            raise ValueError("top_logprobs: only with logprobs: true")
        if self.logprobs and self.tools:
            raise ValueError("logprobs: not beside tools")
        return self

    @property
    def may_call(self) -> Tools:
        """What the model may call, and must."""
        choice = self.tool_choice if isinstance(self.tool_choice, str) else f"={self.tool_choice.function.name}"
        return tools_of([one.function for one in self.tools], choice, self.parallel_tool_calls)

    @property
    def top(self) -> int | None:
        """How many likely tokens are told beside each one; None tells no log-probabilities."""
        return (self.top_logprobs or 0) if self.logprobs else None


@router.post("/v1/chat/completions")
async def chat(ask: ChatAsk, models: Models) -> Response:
    """Answer a conversation."""
    served = models.find(ask.model, "chat")
    schema = ask.response_format.asked if ask.response_format else None
    turns = [turn.said for turn in ask.messages]
    pictures = [one for turn in ask.messages for one in turn.pictures]
    agree(served.model.config, served.name, bool(pictures))
    if pictures:
        if ask.tools or schema is not None:
            raise ApiError("tools, response_format: not beside a picture", param="tools")
        job = await asyncio.to_thread(look, served, ask, turns, pictures, ask.top)
    else:
        job = await asyncio.to_thread(talk, served, ask, turns, ask.top, ask.may_call, schema)
    head = {"id": f"chatcmpl-{uuid4().hex}", "created": int(time.time()), "model": served.name}
    if ask.stream:
        return EventStream(chunks(served, job, head, ask))
    answers = await gather(served, job)
    await asyncio.to_thread(check, job, {at: one.text for at, one in enumerate(answers)})
    choices = [
        {
            "index": at,
            "message": message,
            "logprobs": likely(one.tokens, served.model.tokenizer) if ask.logprobs else None,
            "finish_reason": "tool_calls" if "tool_calls" in message else finish(one.reason),
        }
        for at, one in enumerate(answers)
        for message in [said(one.text, job.tools)]
    ]
    return JSONResponse({**head, "object": "chat.completion", "choices": choices, "usage": job.usage()})


def said(text: str, tools: Tools) -> dict[str, Any]:
    """Return a finished answer as a message."""
    found = Speech(tools.names).push(text, last=True)
    words, calls = [one for one in found if isinstance(one, str)], [one for one in found if isinstance(one, Call)]
    message = {"role": "assistant", "content": "".join(words) or (None if calls else ""), "refusal": None}
    return {**message, **({"tool_calls": [called(one) for one in calls]} if calls else {})}


def called(call: Call) -> dict[str, Any]:
    """Return a call in the form of chat completions."""
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


async def chunks(served: Served, job: TextJob, head: dict[str, Any], ask: ChatAsk) -> AsyncGenerator[Event, None]:
    """Yield the chunks of a streamed answer: role, texts and one end for each choice, then the usage, then the end."""
    head = {**head, "object": "chat.completion.chunk"}
    answers = [Answer(served.model.tokenizer) for _ in job.rows]
    speeches, counts = [Speech(job.tools.names) for _ in job.rows], [0] * len(job.rows)
    begun: set[int] = set()

    def chunk(at: int, delta: dict[str, Any], new: Sequence[Token] = (), reason: str | None = None) -> Event:
        told = likely(new, served.model.tokenizer) if ask.logprobs and new else None
        choice = {"index": at, "delta": delta, "logprobs": told, "finish_reason": reason}
        return Event({**head, "choices": [choice], **({"usage": None} if ask.wants_usage else {})})

    async with aclosing(served.write(job.rows, job.stop)) as deltas:
        async for delta in deltas:
            if delta.row not in begun:
                begun.add(delta.row)
                yield chunk(delta.row, {"role": "assistant", "content": ""})
            new = answers[delta.row].add(delta)
            pieces = speeches[delta.row].push(delta.text, delta.reason is not None)
            for piece in pieces or ([""] if new else []):
                if isinstance(piece, str):
                    yield chunk(delta.row, {"content": piece}, new)
                else:
                    yield chunk(delta.row, {"tool_calls": [{"index": counts[delta.row], **called(piece)}]})
                    counts[delta.row] += 1
            if delta.reason is not None:
                await asyncio.to_thread(check, job, {delta.row: answers[delta.row].text})
                yield chunk(delta.row, {}, reason="tool_calls" if counts[delta.row] else finish(delta.reason))
    if ask.wants_usage:
        yield Event({**head, "choices": [], "usage": job.usage()})
    yield Event(DONE)


def likely(tokens: Sequence[Token], tokenizer: Tokenizer) -> dict[str, Any]:
    """Return the log-probabilities of tokens in the form of chat completions."""

    def told(index: int, logprob: float) -> dict[str, Any]:
        text, raw = token_of(tokenizer, index)
        return {"token": text, "logprob": logprob, "bytes": raw}

    return {
        "content": [
            {**told(one.id, one.chance.logprob), "top_logprobs": [told(*other) for other in one.chance.top]}
            for one in tokens
        ],
        "refusal": None,
    }
