"""Ollama's `/api/chat` and `/api/tags`, which pages on desktops speak. A stream is a line of JSON for each piece."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal

from fastapi import APIRouter
from pydantic import Field, model_validator
from starlette.responses import JSONResponse, Response

from trivium.base.config import Config, Seq
from trivium.base.seeds import LARGEST
from trivium.serve.answer import finish, speak
from trivium.serve.ask import Ask, Stops, TextAsk, TextJob, talk, without
from trivium.serve.error import FORMS, ApiError
from trivium.serve.routes.chat import Tool
from trivium.serve.served import ANSWERS, Models, Served
from trivium.serve.sse import Event, EventStream, line
from trivium.serve.tool import Call, Said, Tools, tools_of

router = APIRouter()
FORMS["/api/chat"] = lambda error: {"error": error.message}


class OllamaOptions(Config):
    """How the answer is written, with Ollama's defaults, but no penalty unless it is asked for."""

    NEUTRAL: ClassVar[Mapping[str, Sequence[Any]]] = {"repeat_last_n": [-1], "typical_p": [1, 1.0], "mirostat": [0]}

    temperature: float = Field(0.8, ge=0, le=2)
    top_k: int = Field(40, ge=0)
    top_p: float = Field(0.9, gt=0, le=1)
    min_p: float = Field(0.0, ge=0, le=1)
    seed: int | None = Field(None, ge=0, le=LARGEST)
    num_predict: int = Field(-1, ge=-1)
    num_ctx: int | None = Field(None, ge=1)
    stop: Stops = ()
    repeat_penalty: float = Field(1.0, gt=0, le=100)
    presence_penalty: float = Field(0.0, ge=-2, le=2)
    frequency_penalty: float = Field(0.0, ge=-2, le=2)

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, data: Any) -> Any:
        return without(data, {**cls.NEUTRAL, **dict.fromkeys(cls.model_fields, ())})


class OllamaFunction(Config):
    """A function that was called, and its arguments."""

    name: str
    arguments: Mapping[str, Any] = {}


class OllamaCall(Config):
    """A call in an earlier answer."""

    function: OllamaFunction


class OllamaTurn(Config):
    """One message of a conversation."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str = ""
    tool_calls: Seq[OllamaCall] = ()
    tool_name: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, data: Any) -> Any:
        return without(data, {"images": [[]], "thinking": [""], "tool_calls": [[]], "tool_name": ()})

    @property
    def said(self) -> Said:
        """The turn without its form; the name of a tool stands for its call."""
        calls = [one.function for one in self.tool_calls]
        made = (Call(one.name, json.dumps(dict(one.arguments), ensure_ascii=False), one.name) for one in calls)
        return Said(self.role, self.content, tuple(made), self.tool_name)


class OllamaAsk(Ask):
    """The body of a question in Ollama's form."""

    SILENT: ClassVar = Ask.SILENT | {"keep_alive"}
    NEUTRAL: ClassVar[Mapping[str, Sequence[Any]]] = {"think": [False], "format": [""]}

    messages: Seq[OllamaTurn] = Field(min_length=1, max_length=1024)
    stream: bool = True
    format: Literal["json"] | Mapping[str, Any] | None = None
    options: OllamaOptions = OllamaOptions()
    tools: Seq[Tool] = ()

    @property
    def text(self) -> TextAsk:
        """How the answer is written."""
        how = self.options
        return OllamaText(
            model=self.model,
            max_tokens=how.num_predict if how.num_predict > 0 else None,
            top_k=how.top_k or None,
            repetition_penalty=how.repeat_penalty,
            temperature=how.temperature,
            top_p=how.top_p,
            min_p=how.min_p,
            seed=how.seed,
            stop=how.stop,
            presence_penalty=how.presence_penalty,
            frequency_penalty=how.frequency_penalty,
        )

    @property
    def schema_of_answer(self) -> Mapping[str, Any] | None:
        """The JSON Schema of an answer; None where it is free."""
        return {"type": "object"} if isinstance(self.format, str) else self.format

    @property
    def may_call(self) -> Tools:
        """What the model may call."""
        return tools_of([one.function for one in self.tools])


class OllamaText(TextAsk):
    """How an answer is written, with the name of its limit here."""

    LIMIT: ClassVar[str] = "options.num_predict"


@router.get("/api/tags")
async def tags(models: Models) -> Response:
    """List the models that answer conversations."""
    chats = [one for one in models.served.values() if ANSWERS["chat"](one.model)]
    return JSONResponse({"models": [described(one) for one in chats]})


def described(served: Served) -> dict[str, Any]:
    """Return a model as Ollama lists it."""
    weights = list(served.model.transformer.parameters())
    count, kind = sum(one.numel() for one in weights), served.model.config.family
    bits = str(weights[0].dtype).removeprefix("torch.")
    details = {"format": "safetensors", "family": kind, "families": [kind], "quantization_level": bits}
    return {
        "name": served.name,
        "model": served.name,
        "modified_at": datetime.fromtimestamp(served.created, UTC).isoformat(),
        "size": sum(one.numel() * one.element_size() for one in weights),
        "details": {**details, "parameter_size": f"{count / 1e6:.1f}M"},
    }


@router.post("/api/chat")
async def chat(ask: OllamaAsk, models: Models) -> Response:
    """Answer a conversation."""
    name = ask.model if ask.model in models.served else ask.model.removesuffix(":latest")
    served = models.find(name, "chat")
    if ask.options.num_ctx not in (None, served.context):
        raise ApiError(f"options.num_ctx: the model reads {served.context:,} tokens; leave it out", param="options")
    if ask.options.num_predict == 0:
        raise ApiError("options.num_predict: expected at least 1, or -1", param="options")
    turns = [one.said for one in ask.messages]
    job = await asyncio.to_thread(talk, served, ask.text, turns, None, ask.may_call, ask.schema_of_answer)
    if ask.stream:
        return EventStream((Event(one) async for one in pieces(served, job)), line, "application/x-ndjson")
    found = [one async for one in pieces(served, job)]
    message: dict[str, Any] = {"role": "assistant", "content": "".join(one["message"]["content"] for one in found)}
    if calls := [call for one in found for call in one["message"].get("tool_calls", ())]:
        message["tool_calls"] = calls
    return JSONResponse({**found[-1], "message": message})


async def pieces(served: Served, job: TextJob) -> AsyncGenerator[dict[str, Any]]:
    """Yield the pieces of an answer, and at its end the numbers of tokens and of nanoseconds."""
    begin, first = time.monotonic_ns(), 0

    def piece(content: str, done: bool = False, **more: Any) -> dict[str, Any]:
        now = datetime.now(UTC).isoformat()
        message = {"role": "assistant", "content": content}
        return {"model": served.name, "created_at": now, "message": message | more, "done": done}

    async with aclosing(speak(served, job)) as found:
        async for one in found:
            first = first or time.monotonic_ns()
            if isinstance(one, Call):
                function = {"name": one.name, "arguments": json.loads(one.arguments)}
                yield piece("", tool_calls=[{"function": function}])
            else:
                yield piece(one)
    end, usage = time.monotonic_ns(), job.usage()
    yield {
        **piece("", done=True),
        "done_reason": finish(job.rows[0].reason),
        "total_duration": end - begin,
        "load_duration": 0,
        "prompt_eval_count": usage["prompt_tokens"],
        "prompt_eval_duration": (first or end) - begin,
        "eval_count": usage["completion_tokens"],
        "eval_duration": end - (first or end),
    }
