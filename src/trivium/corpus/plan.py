"""Plan: which part of which file belongs to which shard, and where the work on each is kept.

The work folder stands beside the data folder (`mine.work` beside `mine`). Every file in it is named by the step, the
shard and a key: the hash of all that the step's result depends on. A file that is there is therefore right, whoever
made it and when, and a step whose file is there is not done again. It refuses to know what the steps do.
"""

import ast
import fcntl
import io
import json
import os
import shutil
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np

from trivium.base.config import dump, parse
from trivium.base.errors import DataError
from trivium.base.files import fingerprint, read_json, write_json, writing, xxh3
from trivium.corpus.preparation import LATER, Preparation
from trivium.corpus.read import sources as reader
from trivium.corpus.read import unpack

SHARD_BYTES = 8 << 20
"""A shard for each so many bytes of text, which packed files hold PACKED times as much of as they have bytes ..."""
PACKED = 4
MOST_SHARDS = 1000
"""... and no more than these: as many as a job array takes where nobody raised the limit."""


RESULT_ROOMS = ("read", "clean", "duplicates", "stage")
RESULT_FILES = ("data/shards.py", *(f"token/{name}.py" for name in ("tokenizer", "bpe", "special", "boundary", "fast")))
"""The code whose change makes prepared data be made again; the rooms are those of `corpus`."""


@dataclass(frozen=True)
class Unit:
    """What of a file a shard reads: all of it, or every `parts`-th block of documents beginning with number `part`."""

    path: str
    size: int
    hash: str
    part: int = 0
    parts: int = 1

    @property
    def identity(self) -> list[Any]:
        """What its documents depend on."""
        return [Path(self.path).name, self.size, self.hash, self.part, self.parts]


def assign(files: Sequence[Unit], count: int, before: Sequence[Sequence[Unit]] = ()) -> list[list[Unit]]:
    """Divide files among shards: each new one, the largest first, to the shard with the least; no known one moves.

    A file that is larger than two shards should be is divided into parts, which are read by as many shards.
    """
    room = max(1, sum(file.size for file in files) // count)
    known = {(unit.path, unit.part): (shard, unit.parts) for shard, units in enumerate(before) for unit in units}
    shards: list[list[Unit]] = [[] for _ in range(count)]
    fresh: list[Unit] = []
    for file in files:
        found = known.get((file.path, 0))
        parts = found[1] if found else min(count, -(-file.size // room)) if file.size > 2 * room else 1
        for part in range(parts):
            unit = Unit(file.path, file.size, file.hash, part, parts)
            if (place := known.get((file.path, part))) and place[1] == parts:
                shards[place[0]].append(unit)
            else:
                fresh.append(unit)
    load = [sum(unit.size // unit.parts for unit in units) for units in shards]
    for unit in sorted(fresh, key=lambda unit: (-unit.size // unit.parts, unit.path, unit.part)):
        shard = load.index(min(load))
        shards[shard].append(unit)
        load[shard] += max(1, unit.size // unit.parts)
    return [sorted(units, key=lambda unit: (unit.path, unit.part)) for units in shards]


def units(sources: Sequence[str | Path], counts: Counter[str] | None = None) -> list[Unit]:
    """Every file of the sources as a unit, by path; a source that is no file is one too, known by its state."""
    found = [Unit(str(path), size, xxh3(path)) for path, size in reader.files(sources, counts)]
    found += [Unit(name, 0, state) for name, state in reader.remote(sources)]
    return sorted(found, key=lambda unit: unit.path)


def shard_count(files: Sequence[Unit]) -> int:
    """How many shards suit files of these sizes."""
    packed = (*unpack.PACKED, ".parquet")
    size = sum(file.size * (PACKED if file.path.endswith(packed) else 1) for file in files)
    return max(1, min(MOST_SHARDS, -(-size // SHARD_BYTES)))


@dataclass(frozen=True)
class Plan:
    """What is going to be done, as every process that has a part in it reads it."""

    sources: list[str]
    preparation: Preparation
    shards: list[list[Unit]]
    inputs: dict[str, Any]
    """What the data are made of, as the manifest tells it."""
    code: str
    counts: Counter[str]
    """What was met when the files were listed."""
    keep_dropped: str | None = None
    """The file that what is dropped is written to."""
    keep_work: bool = True

    @cached_property
    def key(self) -> str:
        """What tells this plan from any other."""
        return fingerprint([self.read_keys, self.inputs])

    @cached_property
    def read_keys(self) -> list[str]:
        """For each shard, the key of what is read from it."""
        options = {name: value for name, value in self.inputs["preparation"].items() if name not in LATER}
        same = [self.code, options, self.inputs.get("language_by"), self.keep_dropped is not None]
        return [fingerprint([same, [unit.identity for unit in units]]) for units in self.shards]

    @cached_property
    def dedup_key(self) -> str:
        """The key of what is decided about all shards together."""
        paths = [[unit.path for unit in units] for units in self.shards]
        return fingerprint([self.read_keys, paths, self.preparation.valid_share])

    @cached_property
    def tokenizer_key(self) -> str:
        """The key of the tokenizer."""
        options = self.preparation
        if options.tokenizer is not None:
            return fingerprint([self.code, options.tokenizer, self.inputs.get("tokenizer")])
        return fingerprint([self.dedup_key, options.vocab_size, options.sample_bytes])


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
        preparation, counts = parse(Preparation, tree.pop("preparation"), "plan"), Counter(tree.pop("counts"))
        return Plan(preparation=preparation, shards=shards, counts=counts, **tree)

    def begin(self, plan: Plan) -> None:
        """Write a plan down."""
        tree = {name: getattr(plan, name) for name in plan.__dataclass_fields__}
        tree["preparation"] = dump(plan.preparation)
        tree["counts"] = dict(plan.counts)
        tree["shards"] = [[asdict(unit) for unit in units] for units in plan.shards]
        write_json(self.folder / "plan.json", tree)
        self.__dict__["plan"] = plan

    def before(self) -> list[list[Unit]]:
        """The shards of the plan that is there, or none."""
        return self.plan.shards if (self.folder / "plan.json").is_file() else []

    def file(self, step: str, key: str, shard: int | None = None, suffix: str = ".npz") -> Path:
        """Where the result of a step is kept."""
        return self.folder / f"{step}{'' if shard is None else f'-{shard:05d}'}-{key}{suffix}"

    def sweep(self, used: set[str]) -> None:
        """Remove what belongs to other plans than the present one: all but results of these names."""
        for path in self.folder.iterdir():
            if path.is_file() and path.name.split(".")[0] not in {*used, "lock", "plan", ""}:
                path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @contextmanager
    def locked(self, waiting: Any = lambda: None) -> Iterator[None]:
        """Let one process at a time prepare this data folder; a second one waits, after saying so by `waiting`."""
        path = self.folder / "lock"
        while True:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                handle = open(path, "ab")  # noqa: SIM115
            except OSError as error:
                raise DataError(f"{path}: cannot write: {error.strerror or error}") from error
            with handle:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    waiting()
                    fcntl.flock(handle, fcntl.LOCK_EX)
                # Who held it may have removed the folder: then this is not the lock that others would meet.
                if path.exists() and os.fstat(handle.fileno()).st_ino == path.stat().st_ino:
                    yield
                    return


def save(path: Path, facts: Any, **arrays: np.ndarray) -> None:
    """Write arrays, and plain data with them, as one file: whole or not at all, and the same bytes for the same."""
    buffer = io.BytesIO()
    text = np.frombuffer(json.dumps(facts, ensure_ascii=False).encode("utf-8", "surrogatepass"), np.uint8)
    np.savez(buffer, **{"facts": text, **arrays})  # type: ignore[arg-type]
    with writing(path) as handle:
        handle.write(buffer.getbuffer())


class Arrays:
    """The arrays of a file that `save` wrote. The file is open only while one of them is read: there may be many."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __getitem__(self, name: str) -> np.ndarray:
        try:
            with np.load(self.path, allow_pickle=False) as arrays:
                return np.asarray(arrays[name])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as broken:
            what = f"expected the result of a step, found it damaged ({broken})"
            raise DataError(f"{self.path}: {what}; remove {self.path.parent} and prepare again") from None

    def facts(self) -> Any:
        """The plain data."""
        return json.loads(self["facts"].tobytes().decode("utf-8", "surrogatepass"))


@cache
def code() -> str:
    """A hash of the code that results depend on; comments, docstrings and the layout of lines do not count."""
    root = Path(__file__).parent
    paths = [path for room in RESULT_ROOMS for path in sorted((root / room).glob("*.py"))]
    paths += [root.parent / name for name in RESULT_FILES]
    return fingerprint([[path.name, syntax(path.read_text(encoding="utf-8"))] for path in paths])


def syntax(source: str) -> str:
    """What a source file does, as text: its syntax tree without docstrings and other strings that stand alone."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [one for one in body if not _remark(one)]  # type: ignore[attr-defined]
    return ast.dump(tree)


def _remark(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
