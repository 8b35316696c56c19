"""An answer in progress: the text of one row as it comes, and the log-probability of each token of that text."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import NamedTuple

from trivium.infer.row import Chance
from trivium.serve.ask import TextJob, check
from trivium.serve.served import Served
from trivium.serve.tool import Call, Speech
from trivium.serve.worker import Delta
from trivium.token.tokenizer import Tokenizer

LEAST = -9999.0
"""What is told of a token that cannot come: JSON knows no infinity."""


class Token(NamedTuple):
    """A token of an answer, and where it begins in the text."""

    id: int
    chance: Chance
    start: int


class Answer:
    """What one row has written. Tokens whose text is held back, or cut off by a stop, are not told."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer, self.text, self.count = tokenizer, "", 0
        self.reason: str | None = None
        self._pieces, self._end = tokenizer.stream(), 0
        self._held: list[Token] = []
        self.tokens: list[Token] = []
        """The tokens whose text is there, where log-probabilities were asked for."""

    def add(self, delta: Delta) -> list[Token]:
        """Take a piece; return the tokens whose text is now there."""
        self.text += delta.text
        self.count += len(delta.ids)
        self.reason = delta.reason
        for index, chance in zip(delta.ids, delta.chances, strict=False):
            chance = Chance(max(chance.logprob, LEAST), [(other, max(number, LEAST)) for other, number in chance.top])
            self._held.append(Token(index, chance, self._end))
            if index not in self.tokenizer.special:
                self._end += len(self._pieces.push(index))
        whole = delta.reason is not None and self._end <= len(self.text)  # no stop has cut the text
        new = [one for one in self._held if whole or one.start < len(self.text)]
        self._held = self._held[len(new) :]
        self.tokens += new
        return new


def token_of(tokenizer: Tokenizer, index: int) -> tuple[str, list[int]]:
    """Return the text of a token and its bytes; half a character is U+FFFD in the text."""
    piece = tokenizer.raw(index)
    return piece.decode("utf-8", "replace"), list(piece)


def finish(reason: str | None) -> str:
    """Return the reason for the end of a text in OpenAI's words."""
    return "stop" if reason == "stop" else "length"


async def gather(served: Served, job: TextJob) -> list[Answer]:
    """Write all answers of a job; return them at their ends."""
    answers = [Answer(served.model.tokenizer) for _ in job.rows]
    async with aclosing(served.write(job.rows, job.stop)) as deltas:
        async for delta in deltas:
            answers[delta.row].add(delta)
    return answers


async def speak(served: Served, job: TextJob) -> AsyncGenerator[str | Call]:
    """Write the one answer of a job; yield its words and calls. At its end the row of the job has its reason."""
    speech, text = Speech(job.tools.names), ""
    async with aclosing(served.write(job.rows, job.stop)) as deltas:
        async for delta in deltas:
            text += delta.text
            for piece in speech.push(delta.text, delta.reason is not None):
                yield piece
    await asyncio.to_thread(check, job, {0: text})
