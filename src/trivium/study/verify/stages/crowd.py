"""All texts together: in the engine, prompts in pieces, then once more after prefixes that it has read; or padded."""

from trivium.infer.engine import InferenceEngine
from trivium.study.verify import trainer
from trivium.study.verify.stage import ParityStage
from trivium.study.verify.stages.alone import written
from trivium.study.verify.subject import Reply, Subject

CHUNK, MEMORY = 16, 1 << 30
"""The ids of prompts in one step, and the bytes for keys and values."""


def replies(subject: Subject) -> list[Reply]:
    """Return what each text gets beside all others, cold and warm."""
    some = list(range(len(subject.texts)))
    if not subject.writes:
        return trainer.read(subject, [[subject.example(at)] for at in some])
    engine = InferenceEngine(subject.model.transformer, MEMORY, subject.exact, CHUNK)
    return [reply for _ in ("cold", "warm") for reply in written(subject, engine, some)]


STAGE = ParityStage("engine, in a crowd", 3, replies, bits=True)
