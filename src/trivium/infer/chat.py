"""A conversation with a model: the history, and the part of it that the model reads.

The history keeps and saves every message. The model reads it through the template of its folder, as in training. When
it no longer fits the context beside an answer, the oldest turns are left out, but never a system message at the
beginning. A model with an encoder reads the conversation there and writes only the answer.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from trivium.base.errors import ModelError
from trivium.base.files import write_text
from trivium.base.seeds import mix
from trivium.base.types import Message
from trivium.infer.engine import InferenceEngine
from trivium.infer.generate import Generation
from trivium.infer.kept import KeptEngine
from trivium.infer.request import Request
from trivium.infer.sampling import Sampling
from trivium.infer.write import write
from trivium.model.transformer import Transformer
from trivium.token import template
from trivium.token.role import ROLES, role_of
from trivium.token.tokenizer import Tokenizer


class ContextExceeded(ModelError):
    """A prompt that leaves no place for an answer."""


class Chat:
    """A history of messages and a model that answers the last one."""

    def __init__(
        self,
        transformer: Transformer,
        tokenizer: Tokenizer,
        request: Request,
        system: str | None = None,
        start: int | None = None,
        prefix: str = "",
        kept: KeptEngine | None = None,
    ) -> None:
        """`request` says how every answer is written; its prompts are replaced by the conversation.

        `start` is the first id of the decoder beside an encoder; None for a model without an encoder. `prefix` stands
        before each message that is to be answered, as in the rows of training. `kept` is the engine of all
        conversations of the model.
        """
        self.transformer, self.tokenizer, self.request, self.start = transformer, tokenizer, request, start
        self.prefix, self._kept = prefix, kept or KeptEngine()
        self.tools: list[dict[str, Any]] = []
        """What the chat template tells the model that it may call."""
        self._system = [] if system is None else [Message("system", system)]
        self.history: list[Message] = list(self._system)

    @property
    def engine(self) -> InferenceEngine:
        """The engine that writes the answers."""
        return self._kept.of(self.transformer, self.request.exact)

    def reset(self) -> None:
        """Forget every message but the system message that the chat began with."""
        self.history = list(self._system)

    def reply(self, text: str) -> Iterator[str]:
        """Add a user's message; yield the answer piece by piece. An interrupted answer stays in the history."""
        self.history.append(Message("user", text))
        answer: list[str] = []
        done = False
        try:
            for piece in self.answer():
                answer.append(piece)
                yield piece
            done = True
        finally:
            if done or answer:
                self.history.append(Message("assistant", "".join(answer)))
            else:
                self.history.pop()

    def answer(self) -> Iterator[str]:
        """Yield an answer to the history, piece by piece, without adding it."""
        return (piece for _, piece in write(Generation(self.transformer, self.asked(), self.engine), self.tokenizer))

    def asked(self, answers: int = 1, whole: bool = False) -> Request:
        """Return the request for an answer to the history, or for several.

        With `whole` no turn is left out: ContextExceeded tells of a history that is too long.
        """
        prompt = self.prompt(whole)
        prompts, sources = ([prompt], None) if self.start is None else ([[self.start]], [prompt])
        limit = min(self.request.max_new_tokens, self._context - len(prompts[0]))
        decoding = self.request.decoding
        if isinstance(decoding, Sampling) and decoding.seed is not None:
            # Each turn draws other numbers; the same conversation draws the same ones again.
            decoding = decoding.replace(seed=mix(decoding.seed, len(self.history)))
        prompts, sources = prompts * answers, sources and sources * answers
        return replace(self.request, prompts=prompts, sources=sources, max_new_tokens=limit, decoding=decoding)

    def prompt(self, whole: bool = False) -> list[int]:
        """Return the ids of the history up to the beginning of the answer, without the oldest turns if it is too long.

        Raise ContextExceeded where the last message alone is too long, or with `whole` the history.
        """
        start = [message for message in self.history[:1] if message.role == "system"]
        turns = [*self.history[len(start) : -1], *(last.behind(self.prefix) for last in self.history[-1:])]
        room = self._context
        if self.start is None:  # the answer is in the same row
            room -= 1 if whole else min(self.request.max_new_tokens, self._context // 4)
        while True:
            ids = template.ids(template.render([*start, *turns], self.tokenizer, True, self.tools))
            if len(ids) <= room:
                return ids
            later = [] if whole else [i for i, message in enumerate(turns) if i and message.role == "user"]
            if not later:
                raise ContextExceeded(
                    f"the {'conversation' if whole else 'message'} has {len(ids)} tokens with its markers, but of the "
                    f"context of {self._context} only {room} are free; shorten it"
                )
            turns = turns[later[0] :]

    @property
    def _context(self) -> int:
        config = self.transformer.config
        return min(config.context, config.limit or config.context)

    def save(self, path: str | Path) -> None:
        """Write the history as one JSON line for training: a `dialogue` and its `response`."""
        turns = [{"speaker": message.role, "text": message.content} for message in self.history]
        row = {"dialogue": turns[:-1], "response": turns[-1]["text"]} if turns else {"dialogue": [], "response": ""}
        write_text(path, json.dumps(row, ensure_ascii=False) + "\n")


def messages(rows: Sequence[Message | dict[str, str]]) -> list[Message]:
    """Return messages of `{"role": ..., "content": ...}`, with the roles of `token.role`.

    Raise ModelError for a row of another form, and for a name that is no role.
    """
    made: list[Message] = []
    for number, row in enumerate(rows, start=1):
        if isinstance(row, dict) and isinstance(row.get("role"), str) and isinstance(row.get("content"), str):
            row = Message(row["role"], row["content"])
        elif not isinstance(row, Message):
            raise ModelError(f'message {number}: expected {{"role": ..., "content": ...}}, found {row!r:.80}')
        if (role := role_of(row.role)) is None:
            raise ModelError(f"message {number}: role: expected one of {', '.join(ROLES)}, found {row.role!r:.60}")
        made.append(replace(row, role=role))
    return made
