"""Put rows of questions to a model and score what it answers against all their references."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trivium import api
from trivium.infer.generate import generate
from trivium.infer.sampling import Sampling
from trivium.task.metric import exact_match, rouge_l
from trivium.text.rows import Conversation, read_rows
from trivium.text.template import ids, render

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
    """The greedy answers of a model, in batches."""
    tokenizer = model.tokenizer
    assert tokenizer is not None
    out: list[Answered] = []
    for at in range(0, len(conversations), BATCH):
        part = conversations[at : at + BATCH]
        prompts = [ids(render(one.messages, tokenizer, generate=True)) for one in part]
        found = generate(model.transformer, prompts, Sampling(), max_new_tokens, model.stops, tokenizer.size)
        for one, completion in zip(part, found, strict=True):
            text = tokenizer.decode(completion.ids, skip_special=True)
            out.append(Answered(one.messages[-1].content, text, one.references))
    return out


def answer_file(model: api.Model, path: str | Path, max_new_tokens: int = 64) -> list[Answered]:
    """The greedy answers to every row of a file."""
    return answer(model, [conversation for _, conversation in read_rows([path])], max_new_tokens)


def summary(answered: Sequence[Answered]) -> dict[str, float]:
    """Exact match and ROUGE-L, means over the rows, each the best over a row's references."""
    count = max(len(answered), 1)
    return {
        "rows": len(answered),
        "exact_match": sum(one.exact for one in answered) / count,
        "rouge_l": sum(rouge_l(one.answer, one.references) for one in answered) / count,
    }
