"""Responses: `/v1/responses` in OpenAI's form: texts, forms of answers, and tools of the caller.

Nothing is stored, so there is no `previous_response_id`, `conversation` or `background`; there are no tools of the
server's own, no images, files, sound or reasoning. All of these are errors.
"""

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
from trivium.serve.answer import speak
from trivium.serve.ask import Ask, JsonSchema, TextAsk, TextJob, talk, without
from trivium.serve.served import Models, Served
from trivium.serve.sse import Event, EventStream
from trivium.serve.tool import Call, Function, Said, Tools, tools_of

router = APIRouter()


class InputText(Config):
    """A part of an item: a text."""

    type: Literal["input_text", "output_text", "text"]
    text: str

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, data: Any) -> Any:
        return without(data, {"annotations": [[]], "logprobs": [[]]})


InputTexts = Annotated[
    tuple[InputText, ...],
    BeforeValidator(lambda said: ({"type": "text", "text": said},) if isinstance(said, str) else as_tuple(said)),
]
"""A text, or a list of parts."""


class Item(Config):
    """An item of a conversation: a message, a call of a tool, or the result of one."""

    FIELDS: ClassVar = {
        "message": {"role", "content"},
        "function_call": {"call_id", "name", "arguments"},
        "function_call_output": {"call_id", "output"},
    }
    type: Literal["message", "function_call", "function_call_output"] = "message"
    role: Literal["system", "developer", "user", "assistant"] | None = None
    content: InputTexts | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    output: InputTexts | None = None

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, data: Any) -> Any:
        if isinstance(data, dict):
            data = {key: value for key, value in data.items() if key != "id"}
        return without(data, {"status": ["completed", "incomplete", "in_progress"], "phase": ()})

    @model_validator(mode="after")
    def _whole(self) -> "Item":
        if self.model_fields_set - {"type"} != self.FIELDS[self.type]:
            raise ValueError(f"an item of type {self.type} has {', '.join(sorted(self.FIELDS[self.type]))}")
        return self


class ResponseTool(Function):
    """A tool that a model may call."""

    type: Literal["function"]


class ResponseToolChoice(Config):
    """The tool that has to be called."""

    type: Literal["function"]
    name: str


class TextFormat(JsonSchema):
    """The form of an answer."""

    type: Literal["text", "json_object", "json_schema"]
    name: str = ""

    @model_validator(mode="after")
    def _whole(self) -> "TextFormat":
        if ("schema_" in self.model_fields_set) != (self.type == "json_schema"):
            raise ValueError("schema: expected beside type json_schema, and only there")
        return self


class TextForm(Config):
    """How the text of an answer is."""

    format: TextFormat | None = None

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, data: Any) -> Any:
        return without(data, {"verbosity": ["medium"]})


class ResponsesAsk(Ask):
    """The body of a question in the form of responses."""

    NEUTRAL: ClassVar[Mapping[str, Sequence[Any]]] = {
        **Ask.NEUTRAL,
        "background": [False],
        "include": [[]],
        "truncation": ["disabled"],
        "top_logprobs": [0],
        "stream_options": [{}, {"include_obfuscation": False}],
        **dict.fromkeys(("conversation", "max_tool_calls", "previous_response_id", "prompt", "reasoning"), ()),
    }

    input: Annotated[
        tuple[Item, ...],
        BeforeValidator(lambda said: ({"role": "user", "content": said},) if isinstance(said, str) else as_tuple(said)),
        Field(min_length=1, max_length=1024),
    ]
    instructions: str | None = None
    max_output_tokens: int | None = Field(None, ge=1)
    temperature: float = Field(1.0, ge=0, le=2)
    top_p: float = Field(1.0, gt=0, le=1)
    stream: bool = False
    text: TextForm = TextForm()
    tools: Seq[ResponseTool] = ()
    tool_choice: Literal["none", "auto", "required"] | ResponseToolChoice = "auto"
    parallel_tool_calls: bool = True

    @property
    def how(self) -> TextAsk:
        """How the answer is written."""
        same = {"model", "temperature", "top_p"} & self.model_fields_set
        return ResponseText(**{name: getattr(self, name) for name in same}, max_tokens=self.max_output_tokens)

    @property
    def turns(self) -> list[Said]:
        """The conversation; calls belong to the answer before them."""
        made = [Said("system", self.instructions)] if self.instructions else []
        for one in self.input:
            text = "".join(part.text for part in one.content or one.output or ())
            if one.type == "message":
                made.append(Said(one.role or "user", text))
            elif one.type == "function_call_output":
                made.append(Said("tool", text, call=one.call_id))
            else:
                call = Call(one.name or "", one.arguments or "", one.call_id or "")
                last = made.pop() if made and made[-1].role == "assistant" else Said("assistant", "")
                made.append(last._replace(calls=(*last.calls, call)))
        return made

    @property
    def may_call(self) -> Tools:
        """What the model may call, and must."""
        choice = self.tool_choice if isinstance(self.tool_choice, str) else f"={self.tool_choice.name}"
        return tools_of(self.tools, choice, self.parallel_tool_calls)

    @property
    def schema_of_answer(self) -> Mapping[str, Any] | None:
        """The JSON Schema of an answer; None where it is free."""
        found = self.text.format
        return None if found is None or found.type == "text" else found.schema_


class ResponseText(TextAsk):
    """How an answer is written, with the name of its limit here."""

    LIMIT: ClassVar[str] = "max_output_tokens"


@router.post("/v1/responses")
async def responses(ask: ResponsesAsk, models: Models) -> Response:
    """Answer a conversation."""
    served = models.find(ask.model, "chat")
    job = await asyncio.to_thread(talk, served, ask.how, ask.turns, None, ask.may_call, ask.schema_of_answer)
    if ask.stream:
        return EventStream(numbered(events(served, job, ask)))
    async for one in events(served, job, ask):
        last = one
    return JSONResponse(last["response"])


async def numbered(events: AsyncGenerator[dict[str, Any]]) -> AsyncGenerator[Event]:
    """Yield events by their names, with their numbers."""
    number = 0
    async with aclosing(events) as some:
        async for one in some:
            yield Event({**one, "sequence_number": number}, one["type"])
            number += 1


async def events(served: Served, job: TextJob, ask: ResponsesAsk) -> AsyncGenerator[dict[str, Any]]:
    """Yield the events of an answer; the last one has the whole response."""
    head = response(served, ask)
    output: list[dict[str, Any]] = []
    text: str | None = None  # the words of the message that is open

    def place(**more: Any) -> dict[str, Any]:
        return {"item_id": output[-1]["id"], "output_index": len(output) - 1, **more}

    def item(kind: str) -> dict[str, Any]:
        return {"type": f"response.output_item.{kind}", "output_index": len(output) - 1, "item": output[-1]}

    def closing(status: str = "completed") -> list[dict[str, Any]]:
        part: dict[str, Any] = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
        output[-1] = {**output[-1], "status": status, "content": [part]}
        return [
            {"type": "response.output_text.done", **place(content_index=0), "text": text, "logprobs": []},
            {"type": "response.content_part.done", **place(content_index=0), "part": part},
            item("done"),
        ]

    def opening() -> list[dict[str, Any]]:
        made = {"id": f"msg_{uuid4().hex}", "type": "message", "status": "in_progress", "role": "assistant"}
        output.append({**made, "content": []})
        part: dict[str, Any] = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
        return [item("added"), {"type": "response.content_part.added", **place(content_index=0), "part": part}]

    def calling(call: Call) -> list[dict[str, Any]]:
        made = {"id": f"fc_{uuid4().hex}", "type": "function_call", "status": "in_progress", "call_id": call.id}
        output.append({**made, "name": call.name, "arguments": ""})
        first = item("added")
        output[-1] = {**output[-1], "status": "completed", "arguments": call.arguments}
        named, kind = {"name": call.name, "arguments": call.arguments}, "response.function_call_arguments"
        delta = {"type": f"{kind}.delta", **place(delta=call.arguments)}
        return [first, delta, {"type": f"{kind}.done", **place(**named)}, item("done")]

    async with aclosing(speak(served, job)) as pieces:
        piece: str | Call | None = await anext(pieces, "")  # a refusal comes before the first event
        for kind in ("created", "in_progress"):
            yield {"type": f"response.{kind}", "response": head}
        while piece is not None:
            if isinstance(piece, Call):
                for one in [*(closing() if text is not None else []), *calling(piece)]:
                    yield one
                text = None
            else:
                for one in opening() if text is None else []:
                    yield one
                text = (text or "") + piece
                yield {"type": "response.output_text.delta", **place(content_index=0), "delta": piece, "logprobs": []}
            piece = await anext(pieces, None)
    whole = job.rows[0].reason == "stop"
    for one in closing("completed" if whole else "incomplete") if text is not None else []:
        yield one
    status, details = ("completed", None) if whole else ("incomplete", {"reason": "max_output_tokens"})
    end = {"status": status, "incomplete_details": details, "output": output, "usage": usage(job)}
    yield {"type": f"response.{status}", "response": {**head, **end}}


def response(served: Served, ask: ResponsesAsk) -> dict[str, Any]:
    """Return a response that is in progress."""
    said = ask.model_dump(mode="json", by_alias=True, exclude_none=True)
    form, chosen = {"type": "text", **said["text"].get("format", {})}, ask.how.options(served)
    return {
        "id": f"resp_{uuid4().hex}",
        "object": "response",
        "created_at": int(time.time()),
        "status": "in_progress",
        "background": False,
        **dict.fromkeys(("error", "incomplete_details", "previous_response_id", "usage")),
        "instructions": ask.instructions,
        "max_output_tokens": ask.max_output_tokens,
        "model": served.name,
        "output": [],
        "parallel_tool_calls": ask.parallel_tool_calls,
        "reasoning": {"effort": None, "summary": None},
        "store": False,
        "temperature": chosen["temperature"],
        "text": {"format": {**form, **({"strict": True} if form["type"] == "json_schema" else {})}},
        "tool_choice": said["tool_choice"],
        "tools": [{"strict": False, "parameters": None, **one} for one in said["tools"]],
        "top_p": chosen["top_p"],
        "truncation": "disabled",
        "metadata": {},
    }


def usage(job: TextJob) -> dict[str, Any]:
    """Return the numbers of tokens in the form of responses."""
    found = job.usage()
    return {
        "input_tokens": found["prompt_tokens"],
        "input_tokens_details": found["prompt_tokens_details"],
        "output_tokens": found["completion_tokens"],
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": found["total_tokens"],
    }
