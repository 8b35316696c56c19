"""Put rows of questions to a model and score what it answers against all their references."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trivium import api
from trivium.base.errors import ModelError
from trivium.infer.generate import generate
from trivium.infer.sampling import Sampling
from trivium.task.metric import exact_match, measure
from trivium.text.rows import Conversation, RowReading, read_rows
from trivium.text.template import ids, render, stop_ids

BATCH = 64


@dataclass(frozen=True)
class Answered:
    """What was asked, what was said, and what would have been right."""

    question: str
    answer: str
    references: tuple[str, ...]

    @property
    def exact(self) -> bool:
        """Whether the answer is one of the references."""
        return exact_match(self.answer, self.references) == 1.0


def answer(model: api.Model, conversations: Sequence[Conversation], max_new_tokens: int = 64) -> list[Answered]:
    """The greedy answers of a model, in batches; a question longer than its context is a ModelError."""
    tokenizer = model.tokenizer
    if tokenizer is None:
        raise ModelError("this model has no tokenizer; questions are texts")
    stops = tuple(dict.fromkeys((*model.stops, *stop_ids(tokenizer))))
    # Questions of like length share a batch, so that little of it is padding; the answers do not depend on it.
    asked = [ids(render(one.messages, tokenizer, generate=True)) for one in conversations]
    order = sorted(range(len(asked)), key=lambda i: len(asked[i]))
    said: dict[int, str] = {}
    for at in range(0, len(order), BATCH):
        part = order[at : at + BATCH]
        prompts, sources = model.sides([asked[i] for i in part])
        found = generate(model.transformer, prompts, Sampling(), max_new_tokens, stops, tokenizer.size, sources)
        for i, completion in zip(part, found, strict=True):
            said[i] = tokenizer.decode(completion.ids, skip_special=True)
    return [Answered(one.messages[-1].content, said[i], one.references) for i, one in enumerate(conversations)]


def answer_file(
    model: api.Model, path: str | Path, max_new_tokens: int = 64, reading: RowReading = RowReading()
) -> list[Answered]:
    """The greedy answers to every row of a file."""
    return answer(model, [conversation for _, conversation in read_rows([path], reading)], max_new_tokens)


def summary(answered: Sequence[Answered], names: Sequence[str] = ("exact_match", "rouge_l")) -> dict[str, float]:
    """Metrics over the rows, each the best over a row's references."""
    found = measure(names, [one.answer for one in answered], [one.references for one in answered])
    return {"rows": len(answered), **found}
