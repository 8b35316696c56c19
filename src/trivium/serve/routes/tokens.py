"""The tokens of a text, for the page: `/v1/trivium/tokens` says how likely each one was and what else was likely.

It reads a text, a conversation or ids, and goes on from them; so ids up to any place, and another id there, are a fork.
The probabilities are those of the model before sampling.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Literal, cast

import torch
from fastapi import APIRouter
from pydantic import Field, model_validator
from starlette.responses import JSONResponse, Response

from trivium.api import Model
from trivium.base.config import Seq
from trivium.base.types import Message
from trivium.infer.chat import ContextExceeded, messages
from trivium.infer.generate import rows
from trivium.infer.request import writes
from trivium.infer.row import Chance, Row
from trivium.lab.piece import visible
from trivium.model.device import evaluating
from trivium.serve.answer import finish
from trivium.serve.ask import Ids, TextAsk
from trivium.serve.error import ApiError
from trivium.serve.routes.chat import Turn
from trivium.serve.served import ANSWERS, Models, Served, of_texts

router = APIRouter()
ANSWERS["tokens"] = lambda model: writes(model.config) and of_texts(model)
TOP, LONGEST, BLOCK = 5, 1024, 128
"""The likely ids beside each one; the most ids of a text; the positions whose scores are in memory at once."""


class TokensAsk(TextAsk):
    """The body of a question for tokens: a `prompt` (a text or ids), or `messages`."""

    messages: Seq[Turn] = ()
    """A conversation; a last turn of the assistant is an answer that has begun."""
    prompt: str | Ids | None = None
    """A text, or the ids that the decoder has read."""
    source: Ids | None = None
    """The ids that an encoder has read, beside ids as `prompt`."""
    max_tokens: int | None = Field(0, ge=0)
    n: Literal[1] = 1
    stop: tuple[()] = ()
    stream: Literal[False] = False

    @model_validator(mode="after")
    def _one(self) -> "TokensAsk":
        if bool(self.messages) == (self.prompt is not None):
            raise ValueError("expected either messages or prompt")
        if any(turn.tool_calls or turn.tool_call_id is not None for turn in self.messages):
            raise ValueError("messages: calls of tools and their results are not shown here")
        if self.messages and all(turn.role == "assistant" for turn in self.messages):
            raise ValueError("messages: expected a turn that is to be answered")
        return self


@router.post("/v1/trivium/tokens")
async def tokens(ask: TokensAsk, models: Models) -> Response:
    """Return the tokens of a text and of what the model writes after it."""
    served = models.find(ask.model, "tokens")
    most = ask.most(served, 0)
    row = await asyncio.to_thread(begun, served, ask, most)
    if most:
        async with aclosing(served.write([row])) as deltas:
            async for _ in deltas:
                pass
    chances = await served.compute(lambda: read(served.model, row)) + row.chances
    tokenizer = served.model.tokenizer

    def told(index: int, logprob: float) -> dict[str, Any]:
        return {"id": index, "text": visible(tokenizer, index), "logprob": max(logprob, -9999.0)}

    found = [
        {
            "id": index,
            "text": visible(tokenizer, index),
            "logprob": max(chance.logprob, -9999.0) if chance else None,
            "top": [told(*other) for other in chance.top] if chance else [],
            "written": at >= len(row.prompt),
        }
        for at, (index, chance) in enumerate(zip(row.text, chances, strict=True))
    ]
    read_first = cast(list[int] | None, row.source)
    source = None if read_first is None else [{"id": one, "text": visible(tokenizer, one)} for one in read_first]
    reason = finish(row.reason) if most else None
    return JSONResponse({"model": served.name, "source": source, "tokens": found, "finish_reason": reason})


def begun(served: Served, ask: TokensAsk, most: int) -> Row:
    """Return the row that has read what is asked about, and may write `most` ids. Takes time: call it in a thread."""
    model = served.model
    forked = model.config.encoder is not None and isinstance(ask.prompt, tuple)
    if (ask.source is not None) != forked:
        raise ApiError(
            "source: the ids that an encoder has read belong beside a prompt of ids, and nowhere else", param="source"
        )
    whole, answer = asked(model, ask)
    request = model.usual([whole], max(most, 1), 1, **ask.options(served))
    if ask.source is not None:
        request = replace(request, sources=[ask.source], prompts=[whole])
    elif answer:
        request = replace(request, prompts=[[*request.prompts[0], *answer]])
    row = rows(model.config, request, TOP)[0]
    longest = min(LONGEST, served.context)
    if (length := max(len(row.prompt) + most, len(row.source or ()))) > longest:
        raise ContextExceeded(f"at most {longest:,} tokens are shown; with the new ones there are {length:,}")
    return row


def asked(model: Model, ask: TokensAsk) -> tuple[list[int], list[int]]:
    """Return the ids that the first stack reads, and those of an answer that has begun."""
    if isinstance(ask.prompt, str):
        return model.encode(ask.prompt), []
    if ask.prompt is not None:
        return list(ask.prompt), []
    turns = [Message(turn.role, turn.said.text) for turn in ask.messages]
    answer = turns.pop().content if turns[-1].role == "assistant" else ""
    chat = model.conversation(1)
    chat.history = messages(turns)
    return chat.prompt(whole=True), model.tokenizer.encode(answer) if answer else []


def read(model: Model, row: Row) -> list[Chance | None]:
    """Return how likely each id of a row's prompt was after those before it; None for the first."""
    source, prompt = cast(list[int] | None, row.source), row.prompt
    hidden = model.hidden([prompt]) if source is None else model.hidden([source], decoder_input_ids=[prompt])
    with evaluating(model.transformer):
        scores = (model.transformer.logits(block)[:, : row.vocabulary] for block in hidden[0, :-1].split(BLOCK))
        return [None, *(chance for block in _with(scores, prompt[1:]) for chance in block)]


def _with(blocks: Iterator[torch.Tensor], ids: Sequence[int]) -> Iterator[list[Chance]]:
    """Yield the chances of ids, block by block, from scores [T, V] at the positions before them."""
    at = 0
    for block in blocks:
        found = block.float().log_softmax(dim=-1)  # T V
        values, best = found.topk(min(TOP, found.shape[1]), dim=-1)
        some = ids[at : at + len(found)]
        at += len(found)
        pairs = zip(best.tolist(), values.tolist(), strict=True)
        yield [
            Chance(float(line[index]), list(zip(*top, strict=True)))
            for line, index, top in zip(found, some, pairs, strict=True)
        ]
