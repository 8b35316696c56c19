"""Stages: the steps of a preparation in their order, as work that any process can do that sees the work folder.

A stage is a map, once for each shard, or a reduce, once for all. A task is three plain values: a data folder, a stage,
a shard. Its result is one file that appears whole, under a name that says what it depends on: doing a task twice, or
in another place, changes nothing. It refuses to know which engine runs it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from trivium.base import plugin
from trivium.base.errors import DataError, TriviumError
from trivium.corpus.plan import Unit, Work
from trivium.corpus.stage.dedup import decide
from trivium.corpus.stage.encode import encode, encode_key
from trivium.corpus.stage.read import collect
from trivium.corpus.stage.tokenizer import learn, tokenizer_file


@dataclass(frozen=True)
class Stage:
    """A step: what it does to a shard, and the file that says it was done."""

    name: str
    says: str
    do: Callable[[Work, int], None]
    result: Callable[[Work, int], Path]
    map: bool

    def tasks(self, work: Work) -> list[int]:
        """The shards it is done for."""
        return list(range(len(work.plan.shards))) if self.map else [0]

    def todo(self, work: Work) -> list[int]:
        """The shards it was not done for yet."""
        return [shard for shard in self.tasks(work) if not self.result(work, shard).is_file()]


STAGES = (
    Stage(
        "read",
        "reading and cleaning",
        collect,
        lambda work, shard: work.file("read", work.plan.read_keys[shard], shard),
        map=True,
    ),
    Stage(
        "dedup", "dropping duplicates", decide, lambda work, shard: work.file("dedup", work.plan.dedup_key), map=False
    ),
    Stage("tokenizer", "making the tokenizer", learn, lambda work, shard: tokenizer_file(work), map=False),
    Stage(
        "encode", "encoding", encode, lambda work, shard: work.file("encode", encode_key(work, shard), shard), map=True
    ),
)
"""Everything before the data folder is published."""


def named(name: str) -> Stage:
    """The stage of a name."""
    found = {stage.name: stage for stage in STAGES}
    if name not in found:
        raise DataError(f"--stage {name}: expected {', '.join(found)} or publish")
    return found[name]


def attempt(folder: str, stage: str, shard: int, imports: Sequence[str] = ()) -> str | None:
    """Do a task, unless it is done; what a person can mend is given back as a line, for it may cross processes."""
    plugin.load(imports)  # this may be another process than the one that read the command
    work, step = Work(folder), named(stage)
    try:
        if not step.result(work, shard).is_file():
            step.do(work, shard)
    except TriviumError as error:
        return failure(work, step, shard, str(error))
    return None


def failure(work: Work, step: Stage, shard: int, why: str) -> str:
    """Name the shard and its files beside the reason; where there is one shard, the reason says enough."""
    if not step.map or len(work.plan.shards) == 1:
        return why
    files = [_name(unit) for unit in work.plan.shards[shard]]
    listed = ", ".join(files[:3]) + (f" and {len(files) - 3} more" if len(files) > 3 else "")
    return f"{step.says}, shard {shard} of {len(work.plan.shards)} ({listed}): {why}"


def _name(unit: Unit) -> str:
    name = Path(unit.path).name
    return name if unit.parts == 1 else f"{name}, part {unit.part + 1} of {unit.parts}"
