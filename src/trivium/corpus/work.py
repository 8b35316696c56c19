"""Work folder: the plan of a data folder, and the results of its stages, in `mine.work` beside `mine`.

Every result file is named by its step, its shard and its key, the hash of all that it depends on. So an existing file
is right, whoever made it, and its step is not done again.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import cached_property
from pathlib import Path

from trivium.base.config import dump, parse
from trivium.base.files import locked, read_json, write_json
from trivium.corpus.arrays import Arrays
from trivium.corpus.plan import Plan, Unit
from trivium.corpus.preparation import Preparation


class Work:
    """The work folder of a data folder."""

    def __init__(self, folder: str | Path) -> None:
        self.data = Path(folder)
        self.folder = self.data.absolute().with_name(f"{self.data.absolute().name}.work")

    @cached_property
    def plan(self) -> Plan:
        """The plan that was written last."""
        tree = read_json(self.folder / "plan.json")
        shards = [[Unit(**unit) for unit in units] for units in tree.pop("shards")]
        return Plan(preparation=parse(Preparation, tree.pop("preparation"), "plan"), shards=shards, **tree)

    def begin(self, plan: Plan) -> None:
        """Write a plan."""
        write_json(self.folder / "plan.json", {**asdict(plan), "preparation": dump(plan.preparation)})
        self.__dict__["plan"] = plan

    def before(self) -> list[list[Unit]]:
        """Return the shards of the existing plan, or none."""
        return self.plan.shards if (self.folder / "plan.json").is_file() else []

    def file(self, step: str, key: str, shard: int | None = None, suffix: str = ".npz") -> Path:
        """Return the path of a result."""
        return self.folder / f"{step}{'' if shard is None else f'-{shard:05d}'}-{key}{suffix}"

    def read_file(self, shard: int, suffix: str = ".npz", step: str = "read") -> Path:
        """Return the path of a result of reading a shard: its table (.npz), its text (.zst), its dropped documents."""
        return self.file(step, self.plan.read_keys[shard], shard, suffix)

    def tables(self) -> list[Arrays]:
        """Return the tables of all shards that were read."""
        return [Arrays(self.read_file(shard)) for shard in range(len(self.plan.shards))]

    def dedup_file(self) -> Path:
        """Return the path of the decisions about duplicates."""
        return self.file("dedup", self.plan.dedup_key)

    def tokenizer_file(self) -> Path:
        """Return the path of the tokenizer."""
        return self.file("tokenizer", self.plan.tokenizer_key, suffix=".json")

    def sweep(self, used: set[str]) -> None:
        """Remove the results of other plans: all files but the plan, the lock and the results of these names."""
        for path in self.folder.iterdir():
            if path.is_file() and path.name.split(".")[0] not in {*used, "lock", "plan", ""}:
                path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def forget(self) -> None:
        """Remove the folder if no stage has left a result in it."""
        if all(path.name in ("plan.json", "lock") for path in self.folder.iterdir()):
            self.remove()

    @contextmanager
    def locked(self, waiting: Callable[[], object] = lambda: None) -> Iterator[None]:
        """Let one process at a time prepare this data folder; a second one calls `waiting`, then waits."""
        with locked(self.folder / "lock", waiting):
            yield
