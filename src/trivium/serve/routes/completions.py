"""Completions: `/v1/completions` goes on from prompts, texts or ids; `/tokenize` tells the ids of a prompt."""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Annotated, Any, ClassVar
from uuid import uuid4

from fastapi import APIRouter
from pydantic import BeforeValidator, Field
from starlette.responses import JSONResponse, Response

from trivium.infer.request import writes
from trivium.serve.answer import Answer, Token, finish, gather, token_of
from trivium.serve.ask import Ask, Ids, TextAsk, TextJob, go_on, several
from trivium.serve.served import ANSWERS, Models, Served, of_texts
from trivium.serve.sse import DONE, Event, EventStream
from trivium.token.tokenizer import Tokenizer

router = APIRouter()
ANSWERS["completions"] = lambda model: writes(model.config) and of_texts(model)
USUAL = 16
"""The most new tokens where a request does not say it: the API's own number."""


class CompletionAsk(TextAsk):
    """The body of a completion."""

    NEUTRAL: ClassVar[Mapping[str, Sequence[Any]]] = {**Ask.NEUTRAL, "suffix": (), "echo": [False], "best_of": [1]}

    prompt: Annotated[tuple[str, ...] | tuple[Ids, ...], BeforeValidator(several), Field(min_length=1, max_length=2048)]
    logprobs: int | None = Field(None, ge=0, le=20)


class TokenizeAsk(Ask):
    """The body of a question for ids."""

    prompt: str
    add_special_tokens: bool = True


@router.post("/v1/completions")
async def completions(ask: CompletionAsk, models: Models) -> Response:
    """Go on from prompts."""
    served = models.find(ask.model, "completions")
    job = await asyncio.to_thread(go_on, served, ask, ask.prompt, USUAL, ask.logprobs)
    head = {"id": f"cmpl-{uuid4().hex}", "object": "text_completion", "created": int(time.time())}
    head["model"] = served.name
    if ask.stream:
        return EventStream(chunks(served, job, head, ask))
    answers = await gather(served, job)
    told = [likely(one.tokens, served) if ask.logprobs is not None else None for one in answers]
    choices = [
        {"index": at, "text": one.text, "logprobs": likely, "finish_reason": finish(one.reason)}
        for at, (one, likely) in enumerate(zip(answers, told, strict=True))
    ]
    return JSONResponse({**head, "choices": choices, "usage": job.usage()})


async def chunks(served: Served, job: TextJob, head: dict[str, Any], ask: CompletionAsk) -> AsyncGenerator[Event, None]:
    """Yield the chunks of a stream: texts and one end for each choice, then the usage, then the end."""
    answers = [Answer(served.model.tokenizer) for _ in job.rows]

    def chunk(at: int, text: str, new: Sequence[Token], reason: str | None) -> Event:
        told = likely(new, served) if ask.logprobs is not None and new else None
        choice = {"index": at, "text": text, "logprobs": told, "finish_reason": reason}
        return Event({**head, "choices": [choice], **({"usage": None} if ask.wants_usage else {})})

    async with aclosing(served.write(job.rows, job.stop)) as deltas:
        async for delta in deltas:
            new = answers[delta.row].add(delta)
            if delta.text or new:
                yield chunk(delta.row, delta.text, new, None)
            if delta.reason is not None:
                yield chunk(delta.row, "", [], finish(delta.reason))
    if ask.wants_usage:
        yield Event({**head, "choices": [], "usage": job.usage()})
    yield Event(DONE)


def likely(tokens: Sequence[Token], served: Served) -> dict[str, Any]:
    """Return the log-probabilities of tokens in the form of completions."""
    tokenizer = served.model.tokenizer
    return {
        "tokens": [name(tokenizer, one.id) for one in tokens],
        "token_logprobs": [one.chance.logprob for one in tokens],
        "top_logprobs": [{name(tokenizer, index): number for index, number in one.chance.top} for one in tokens],
        "text_offset": [one.start for one in tokens],
    }


def name(tokenizer: Tokenizer, index: int) -> str:
    """Return the text of a token; where it is no text, such as half a character, its bytes as OpenAI writes them."""
    text, raw = token_of(tokenizer, index)
    return text if text.encode() == bytes(raw) else "bytes:" + "".join(f"\\x{byte:02x}" for byte in raw)


@router.post("/tokenize")
async def tokenize(ask: TokenizeAsk, models: Models) -> Response:
    """Tell the ids that a prompt has, and how many the model reads."""
    served = models.find(ask.model)
    encode = served.model.encode if ask.add_special_tokens else served.model.tokenizer.encode
    ids = await asyncio.to_thread(encode, ask.prompt)
    return JSONResponse({"tokens": ids, "count": len(ids), "max_model_len": served.context})
