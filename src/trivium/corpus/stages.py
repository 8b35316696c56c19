"""The stages of a preparation in their order. Each file of `stage/` is one of them.

    split       large files   where the parts of a file begin that several shards read     stage/split
    read        each shard    sources become clean documents, and a table about them      stage/read
    dedup       all shards    which documents are duplicates, and which are held out       stage/dedup
    tokenizer   all shards    a tokenizer is trained on a sample, or loaded                stage/tokenizer
    encode      each shard    the documents that are left become token shards              stage/encode
    publish     all shards    token shards and reports become the data folder              stage/publish

A task is three plain values: a data folder, a stage, a shard. Its result is one file that appears whole, with a key in
its name: see `work`. So a task can be done by any process that sees the work folder, and twice without harm.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from trivium.base import plugin
from trivium.base.errors import DataError, TriviumError
from trivium.corpus.stage.dedup import find_duplicates
from trivium.corpus.stage.encode import encode_file, encode_shard
from trivium.corpus.stage.read import read_shard
from trivium.corpus.stage.split import split_file, split_result
from trivium.corpus.stage.tokenizer import make_tokenizer
from trivium.corpus.work import Work


@dataclass(frozen=True)
class Stage:
    """A stage: its work on a shard or a file, and the file that shows that the work is done."""

    name: str
    title: str
    do: Callable[[Work, int], None]
    result: Callable[[Work, int], Path]
    over: Literal["files", "shards", "all"]
    """Whether a task is a divided file, a shard, or all shards."""

    def tasks(self, work: Work) -> list[int]:
        """Return the numbers of its tasks; a stage over all shards is one task, number 0."""
        return list(range({"files": len(work.plan.divided), "shards": len(work.plan.shards), "all": 1}[self.over]))

    def todo(self, work: Work) -> list[int]:
        """Return the tasks that are not done."""
        return [shard for shard in self.tasks(work) if not self.result(work, shard).is_file()]


STAGES = (
    Stage("split", "splitting large files", split_file, split_result, "files"),
    Stage("read", "reading and cleaning", read_shard, Work.read_file, "shards"),
    Stage("dedup", "dropping duplicates", find_duplicates, lambda work, shard: work.dedup_file(), "all"),
    Stage("tokenizer", "making the tokenizer", make_tokenizer, lambda work, shard: work.tokenizer_file(), "all"),
    Stage("encode", "encoding", encode_shard, encode_file, "shards"),
)
"""All stages before publishing."""


def named(name: str) -> Stage:
    """Return the stage of a name; a DataError if there is none."""
    found = {stage.name: stage for stage in STAGES}
    if name not in found:
        raise DataError(f"--stage {name}: expected {', '.join(found)} or publish")
    return found[name]


def attempt(folder: str, stage: str, shard: int, imports: Sequence[str] = ()) -> str | None:
    """Do a task, unless it is done. Return a user's error as one line, because it may cross processes.

    `imports` are the plugin files of the command, which another process has not loaded yet.
    """
    plugin.load(imports)
    work, step = Work(folder), named(stage)
    try:
        if not step.result(work, shard).is_file():
            step.do(work, shard)
    except TriviumError as error:
        if step.over != "shards" or len(work.plan.shards) == 1:
            return str(error)
        files = [str(unit) for unit in work.plan.shards[shard]]
        listed = ", ".join(files[:3]) + (f" and {len(files) - 3} more" if len(files) > 3 else "")
        return f"{step.title}, shard {shard} of {len(work.plan.shards)} ({listed}): {error}"
    return None
