"""Answer questions with a model and score each answer against all its references."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trivium import api
from trivium.base.config import dump
from trivium.base.log import say, warn
from trivium.infer.beam import Beam
from trivium.infer.generate import generate
from trivium.infer.padding import by_length
from trivium.infer.sampling import Sampling
from trivium.rows.read import read_conversations
from trivium.rows.record import Conversation
from trivium.rows.shorten import shorten
from trivium.task.metric.overlap import exact_match, measure
from trivium.token.template import ids, render

BATCH = 64


@dataclass(frozen=True)
class Answered:
    """A question, the model's answer and the right answers."""

    question: str
    answer: str
    references: tuple[str, ...]
    language: str = ""
    """The language of the right answers, if the row names it."""

    @property
    def exact(self) -> bool:
        """Return whether the answer is one of the references."""
        return exact_match(self.answer, self.references) == 1.0


def answer(
    model: api.Model, conversations: Sequence[Conversation], max_new_tokens: int = 64, beam: Beam = Beam(beams=1)
) -> list[Answered]:
    """Return a model's answers, greedy or by beam search; a question longer than its positions is cut, and counted."""
    if max_new_tokens > (longest := model.config.context):  # as `Model.generate`, which refuses more
        warn(f"an answer has at most {longest:,} tokens, which is the model's context, instead of {max_new_tokens:,}")
        max_new_tokens = longest
    asked = prompts_of(model, conversations, max_new_tokens)
    if model.config.encoder is None:  # the prompt of a decoder is the text itself, and an answer may repeat its words
        beam = beam.replace(no_repeat_ngram=0)
    options = options_of(beam)
    said: dict[int, str] = {}
    for part in by_length(asked, BATCH, label="answering"):
        request = model.request([asked[i] for i in part], max_new_tokens, **options)
        for i, found in zip(part, generate(model.transformer, request), strict=True):
            said[i] = model.tokenizer.decode(found.ids, skip_special=True)
    return [
        Answered(one.messages[-1].content, said[i], one.references, one.language) for i, one in enumerate(conversations)
    ]


def options_of(beam: Beam) -> dict[str, Any]:
    """Return a search as options of `Model.generate`: those that are not as usual; one beam is the greedy choice."""
    known = (Beam if beam.beams > 1 else Sampling).model_fields
    usual = dump(Beam(beams=beam.beams))
    own = {name: value for name, value in dump(beam).items() if name in known and value != usual[name]}
    return {"num_beams": beam.beams, **own}


def prompts_of(model: api.Model, conversations: Sequence[Conversation], max_new_tokens: int) -> list[list[int]]:
    """Return the ids that the model reads of each conversation, cut to its positions and the room for an answer."""
    tokenizer, limit, cut = model.tokenizer, model.config.limit, 0
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


def answer_file(model: api.Model, path: str | Path, max_new_tokens: int = 64) -> list[Answered]:
    """Return the greedy answers to every row of a file, whose format its keys tell."""
    return answer(model, [one for _, one in read_conversations([path])], max_new_tokens)


def summary(answered: Sequence[Answered], names: Sequence[str] = ("exact_match", "rouge_l")) -> dict[str, Any]:
    """Return the mean of each metric over the rows; a row takes its best reference."""
    right, languages = [one.references for one in answered], [one.language for one in answered]
    found = measure(names, [one.answer for one in answered], right, languages)
    return {"rows": len(answered), **found}
