"""Tasks of text to text: a model writes what is asked for, and what it writes is compared with what is right."""

from collections.abc import Iterator
from typing import Any, ClassVar

from trivium import api
from trivium.task.answer import answer, answer_file, summary
from trivium.task.task import Paths, Task
from trivium.text.row import RowReading
from trivium.text.rows import read_rows


class ChatTask(Task, kind="chat"):
    """Answers to questions, instructions and in dialogues."""

    defaults: ClassVar[dict[str, Any]] = {"optim": {"lr": 1e-3, "weight_decay": 0.0}, "budget_epochs": 3,
                                          "batch_tokens": 4096}  # fmt: skip
    metrics: ClassVar[tuple[str, ...]] = ("exact_match", "rouge_l", "chrf")
    max_new_tokens: int = 128
    """Tokens of an answer at most."""

    def measure(self, model: api.Model, paths: Paths, reading: RowReading = RowReading()) -> dict[str, Any]:
        found = [one for path in paths for one in answer_file(model, path, self.max_new_tokens, reading)]
        return summary(found, self.metrics)

    def predict(self, model: api.Model, paths: Paths, reading: RowReading = RowReading()) -> Iterator[dict[str, Any]]:
        rows = [one for _, one in read_rows(paths, reading)]
        for said in answer(model, rows, self.max_new_tokens):
            yield {"asked": said.question, "answer": said.answer}


class TranslateTask(ChatTask, kind="translate"):
    """A text in another language."""

    metrics = ("bleu", "chrf", "exact_match")


class SummarizeTask(ChatTask, kind="summarize"):
    """What a text says, in few words; rows may have several summaries."""

    metrics = ("rouge_1", "rouge_2", "rouge_l")
