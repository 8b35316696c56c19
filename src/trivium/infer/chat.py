"""A conversation with a model: the history, and what of it the model is shown.

The whole history is kept and saved. What the model reads is rendered by the template in its folder, as in training;
when it no longer fits the context beside an answer, the oldest turns are left out, a system message at the beginning
never. A model with an encoder reads the conversation there and writes the answer alone.
"""

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from trivium.base.errors import ModelError
from trivium.base.files import write_text
from trivium.base.seeds import mix
from trivium.base.types import Message
from trivium.infer.generate import Generation
from trivium.infer.sampling import Sampling
from trivium.infer.write import write
from trivium.model.transformer import Transformer
from trivium.token import template
from trivium.token.tokenizer import Tokenizer


class Chat:
    """A history of messages and a model that answers the last one."""

    def __init__(
        self,
        transformer: Transformer,
        tokenizer: Tokenizer,
        sampling: Sampling = Sampling(),
        max_new_tokens: int = 256,
        stops: Collection[int] | None = None,
        stop: Sequence[str] = (),
        system: str | None = None,
        start: int | None = None,
    ) -> None:
        """`stops` are ids that end an answer (None: those of the template), `stop` are texts that do; `start` is what
        the decoder beside an encoder begins with, None where there is no encoder.
        """
        self.transformer, self.tokenizer, self.sampling = transformer, tokenizer, sampling
        self.max_new_tokens, self.stop = max_new_tokens, stop
        self.stops = template.stop_ids(tokenizer) if stops is None else tuple(stops)
        self.start = start
        self._system = [] if system is None else [Message("system", system)]
        self.history: list[Message] = list(self._system)

    def reset(self) -> None:
        """Forget all but the system message that the chat began with."""
        self.history = list(self._system)

    def reply(self, text: str) -> Iterator[str]:
        """Say something; give the answer piece by piece. An answer that is broken off stays in the history as it is."""
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
        """Give an answer to the history as it is, without adding it."""
        prompt = self.prompt()
        sources = None
        if self.start is not None:
            sources, prompt = [prompt], [self.start]
        room = self._context - len(prompt)
        sampling = self.sampling
        if sampling.seed is not None:  # another draw in every turn, the same in every conversation
            sampling = sampling.replace(seed=mix(sampling.seed, len(self.history)))
        run = Generation(
            self.transformer,
            [prompt],
            sampling,
            min(self.max_new_tokens, room),
            self.stops,
            self.tokenizer.size,
            sources,
        )
        return (piece for _, piece in write(run, self.tokenizer, self.stop))

    def prompt(self) -> list[int]:
        """The ids of the history, or of its newest turns where it is too long, up to where the answer begins."""
        start = [message for message in self.history[:1] if message.role == "system"]
        turns = self.history[len(start) :]
        room = self._context
        if self.start is None:  # the answer stands in the same row
            room -= min(self.max_new_tokens, self._context // 4)
        while True:
            ids = template.ids(template.render([*start, *turns], self.tokenizer, generate=True))
            if len(ids) <= room:
                return ids
            later = [i for i, message in enumerate(turns) if i and message.role == "user"]
            if not later:
                raise ModelError(
                    f"the message has {len(ids)} tokens with its markers, but of the context of {self._context} only "
                    f"{room} are free; shorten it"
                )
            turns = turns[later[0] :]

    @property
    def _context(self) -> int:
        config = self.transformer.config
        return config.context if config.limit is None else min(config.context, config.limit)

    def save(self, path: str | Path) -> None:
        """Write the history as one JSON line, a `dialogue` and its `response`: a row that can be trained on."""
        turns = [{"speaker": message.role, "text": message.content} for message in self.history]
        row = {"dialogue": turns[:-1], "response": turns[-1]["text"]} if turns else {"dialogue": [], "response": ""}
        write_text(path, json.dumps(row, ensure_ascii=False) + "\n")


def messages(rows: Sequence[Message | dict[str, str]]) -> list[Message]:
    """Messages from what people write: `{"role": ..., "content": ...}`."""
    made: list[Message] = []
    for number, row in enumerate(rows, start=1):
        if isinstance(row, Message):
            made.append(replace(row))
        elif isinstance(row, dict) and isinstance(row.get("role"), str) and isinstance(row.get("content"), str):
            made.append(Message(row["role"], row["content"]))
        else:
            raise ModelError(f'message {number}: expected {{"role": ..., "content": ...}}, found {row!r:.80}')
    return made
