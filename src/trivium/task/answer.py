"""Put rows of questions to a model and score what it answers against all their references."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trivium import api
from trivium.base.errors import ModelError
from trivium.base.log import say
from trivium.infer.beam import Beam, search
from trivium.infer.generate import generate
from trivium.infer.sampling import Sampling
from trivium.rows.read import Conversation, RowReading, read_rows
from trivium.rows.shorten import shorten
from trivium.task.metric.text import exact_match, measure
from trivium.token.template import ids, render, stop_ids

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


def answer(
    model: api.Model, conversations: Sequence[Conversation], max_new_tokens: int = 64, beam: Beam = Beam(beams=1)
) -> list[Answered]:
    """The answers of a model, greedy or searched for; questions that its positions do not hold are cut, and counted."""
    tokenizer = model.tokenizer
    if tokenizer is None:
        raise ModelError("this model has no tokenizer; questions are texts")
    stops = tuple(dict.fromkeys((*model.stops, *stop_ids(tokenizer))))
    # Questions of like length share a batch, so that little of it is padding; the answers do not depend on it.
    asked = prompts_of(model, conversations, max_new_tokens)
    if model.config.encoder is None:  # its prompt is the text itself, whose words an answer may take
        beam = beam.replace(no_repeat_ngram=0)
    order = sorted(range(len(asked)), key=lambda i: len(asked[i]))
    said: dict[int, str] = {}
    for at in range(0, len(order), BATCH):
        part = order[at : at + BATCH]
        prompts, sources = model.sides([asked[i] for i in part])
        given = (max_new_tokens, stops, tokenizer.size, sources)
        if beam.beams > 1:
            found = [best[0].ids for best in search(model.transformer, prompts, beam, *given)]
        else:
            found = [completion.ids for completion in generate(model.transformer, prompts, Sampling(), *given)]
        for i, written in zip(part, found, strict=True):
            said[i] = tokenizer.decode(written, skip_special=True)
    return [Answered(one.messages[-1].content, said[i], one.references) for i, one in enumerate(conversations)]


def prompts_of(model: api.Model, conversations: Sequence[Conversation], max_new_tokens: int) -> list[list[int]]:
    """What the model reads of each conversation; where a decoder's positions end, room is left for the answer."""
    tokenizer, limit, cut = model.tokenizer, model.config.limit, 0
    assert tokenizer is not None
    room = limit if limit is None or model.config.encoder else max(limit - max_new_tokens, limit // 2)
    found = []
    for one in conversations:
        segments = render(one.messages, tokenizer, generate=True)
        if room is not None and len(ids(segments)) > room:
            cut += 1
            bos = tokenizer.vocabulary.bos
            kept = shorten(segments, room, "truncate-context", bos) or shorten(segments, room, "truncate-left", bos)
            segments = kept or segments
        found.append(ids(segments))
    if cut:
        say(f"shortened {cut:,} questions: cut to {room} tokens")
    return found


def answer_file(
    model: api.Model,
    path: str | Path,
    max_new_tokens: int = 64,
    reading: RowReading = RowReading(),
    beam: Beam = Beam(beams=1),
) -> list[Answered]:
    """The answers to every row of a file."""
    return answer(model, [conversation for _, conversation in read_rows([path], reading)], max_new_tokens, beam)


def summary(answered: Sequence[Answered], names: Sequence[str] = ("exact_match", "rouge_l")) -> dict[str, float]:
    """Metrics over the rows, each the best over a row's references."""
    found = measure(names, [one.answer for one in answered], [one.references for one in answered])
    return {"rows": len(answered), **found}
