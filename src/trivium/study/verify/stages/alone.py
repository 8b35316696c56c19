"""One text alone: in the engine, or in a pass of its own where the model does not write."""

from collections.abc import Sequence
from typing import cast

from trivium.infer.engine import InferenceEngine
from trivium.infer.generate import rows
from trivium.infer.row import Row
from trivium.study.verify import trainer
from trivium.study.verify.stage import ParityStage
from trivium.study.verify.subject import Reply, Subject

TOP = 5
"""How many log-probabilities are compared at each place."""


def replies(subject: Subject) -> list[Reply]:
    """Return what an engine with nothing else to do says about each text."""
    if not subject.writes:
        return [reply for at in range(len(subject.texts)) for reply in trainer.read(subject, [[subject.example(at)]])]
    return [reply for at in range(len(subject.texts)) for reply in written(subject, _engine(subject), [at])]


def _engine(subject: Subject) -> InferenceEngine:
    return InferenceEngine(subject.model.transformer, exact=subject.exact)


def written(subject: Subject, engine: InferenceEngine, some: list[int]) -> list[Reply]:
    """Return what an engine says about these texts, written side by side."""
    made = rows(subject.model.config, subject.request(some), TOP)
    for row in made:
        engine.submit(row)
    while any(row.reason is None for row in made):
        engine.step()
    return [_reply(subject, row) for row in made]


def _reply(subject: Subject, row: Row) -> Reply:
    chances = [{**dict(one.top), index: one.logprob} for index, one in zip(row.ids, row.chances, strict=True)]
    text = subject.model.tokenizer.decode(row.ids, skip_special=True)
    return Reply(list(cast(Sequence[int] | None, row.source) or row.prompt), ids=row.ids, text=text, chances=chances)


STAGE = ParityStage("engine, one text alone", 2, replies)
