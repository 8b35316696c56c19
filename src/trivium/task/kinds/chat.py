"""Tasks in words: a model writes an answer, which is compared with the right answers."""

from collections.abc import Iterator
from typing import Any, ClassVar

from pydantic import Field

from trivium import api
from trivium.data.loader import in_order
from trivium.infer.beam import Beam
from trivium.objective.instruct import Instruct
from trivium.rows.kinds.pair import Summary
from trivium.rows.notes import Notes
from trivium.rows.read import RowReading, read_conversations
from trivium.rows.supervised import conversation_rows
from trivium.task.answer import answer, options_of, summary
from trivium.task.metric.overlap import available
from trivium.task.task import Paths, Task
from trivium.train.evaluate import evaluate
from trivium.train.parallel.world import World

BATCH_ROWS = 16


class ChatTask(Task, kind="chat"):
    """Answers to questions, to instructions and in dialogues."""

    defaults: ClassVar = {"optim": {"lr": 1e-3, "weight_decay": 0.0}, "budget_epochs": 3, "batch_tokens": 4096}
    metrics: ClassVar = ("exact_match", "rouge_l", "chrf")
    roles: ClassVar = True
    max_new_tokens: int = Field(128, ge=1)
    """The most tokens of an answer."""
    beam: Beam = Beam(beams=1)
    """How an answer is searched for; one beam takes the likeliest token at each step."""

    def measure(self, model: api.Model, paths: Paths, reading: RowReading = RowReading()) -> dict[str, Any]:
        notes = Notes()
        rows = [one for _, one in read_conversations(paths, reading, notes=notes)]
        notes.tell()
        found = summary(answer(model, rows, self.max_new_tokens, self.beam), available(self.metrics))
        return {**found, "loss": answer_loss(model, paths, reading)}

    def predict(self, model: api.Model, paths: Paths, reading: RowReading = RowReading()) -> Iterator[dict[str, Any]]:
        notes = Notes()
        rows = [one for _, one in read_conversations(paths, reading, asking=True, notes=notes)]
        notes.tell()
        for said in answer(model, rows, self.max_new_tokens, self.beam):
            yield {"asked": said.question, "answer": said.answer}

    def options(self) -> dict[str, Any]:
        return {"max_new_tokens": self.max_new_tokens, **options_of(self.beam)}


class TranslateTask(ChatTask, kind="translate"):
    """A text in another language."""

    roles: ClassVar = False
    metrics = ("bleu", "chrf", "exact_match")
    beam: Beam = Beam(beams=4)


class SummarizeTask(ChatTask, kind="summarize"):
    """A text in few words; rows may have several summaries."""

    record: ClassVar = Summary
    roles: ClassVar = False
    metrics = ("rouge_1", "rouge_2", "rouge_l")
    beam: Beam = Beam(beams=4, no_repeat_ngram=3)


def answer_loss(model: api.Model, paths: Paths, reading: RowReading) -> float:
    """Return the mean loss of the answers in nats per token; of several, of the one most like the others."""
    tokenizer, config = model.tokenizer, model.config
    start = model.layout().start if config.family == "encoder_decoder" else None
    objective, first = Instruct(references="best"), model.forced.get("first")
    rows, _ = conversation_rows(
        paths, tokenizer, objective, config.context, 0, "pad", start, reading, "truncate-context", first=first
    )
    world = World(device=model.transformer.tokens.weight.device)
    return evaluate(model.transformer, in_order(rows, BATCH_ROWS, tokenizer.vocabulary.pad), world).loss
