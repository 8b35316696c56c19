"""Tasks of text to text: a model writes what is asked for, and what it writes is compared with what is right."""

from collections.abc import Iterator
from typing import Any, ClassVar

from trivium import api
from trivium.data.loader import in_order
from trivium.infer.beam import Beam
from trivium.objective.instruct import Instruct
from trivium.rows.conversation import conversation_rows
from trivium.rows.read import read_rows
from trivium.rows.row import RowReading
from trivium.task.answer import answer, answer_file, summary
from trivium.task.metric.text import available
from trivium.task.task import Paths, Task
from trivium.train.evaluate import evaluate
from trivium.train.parallel import World

BATCH_ROWS = 16


class ChatTask(Task, kind="chat"):
    """Answers to questions, instructions and in dialogues."""

    defaults: ClassVar[dict[str, Any]] = {
        "optim": {"lr": 1e-3, "weight_decay": 0.0},
        "budget_epochs": 3,
        "batch_tokens": 4096,
    }
    metrics: ClassVar[tuple[str, ...]] = ("exact_match", "rouge_l", "chrf")
    max_new_tokens: int = 128
    """Tokens of an answer at most."""
    beam: Beam = Beam(beams=1)
    """How answers are searched for; with one beam the likeliest token is taken at each step."""

    def measure(self, model: api.Model, paths: Paths, reading: RowReading = RowReading()) -> dict[str, Any]:
        found = [one for path in paths for one in answer_file(model, path, self.max_new_tokens, reading, self.beam)]
        return {**summary(found, available(self.metrics)), "loss": answer_loss(model, paths, reading)}

    def predict(self, model: api.Model, paths: Paths, reading: RowReading = RowReading()) -> Iterator[dict[str, Any]]:
        rows = [one for _, one in read_rows(paths, reading, asking=True)]
        for said in answer(model, rows, self.max_new_tokens, self.beam):
            yield {"asked": said.question, "answer": said.answer}


def answer_loss(model: api.Model, paths: Paths, reading: RowReading) -> float:
    """Mean nats per token of the answers; of several, those of the one that the others agree with most."""
    tokenizer, config = model.tokenizer, model.config
    start = model.layout().start if config.family == "encoder_decoder" else None
    rows, _ = conversation_rows(
        paths, tokenizer, Instruct(references="best"), config.context, 0, "pad", start, reading, "truncate-context"
    )
    world = World(device=model.transformer.tokens.weight.device)
    return evaluate(model.transformer, in_order(rows, BATCH_ROWS, tokenizer.vocabulary.pad), world).loss


class TranslateTask(ChatTask, kind="translate"):
    """A text in another language."""

    metrics = ("bleu", "chrf", "exact_match")
    beam: Beam = Beam(beams=4)


class SummarizeTask(ChatTask, kind="summarize"):
    """What a text says, in few words; rows may have several summaries."""

    metrics = ("rouge_1", "rouge_2", "rouge_l")
    beam: Beam = Beam(beams=4, no_repeat_ngram=3)
