"""Plan: which part of which file belongs to which shard, and the keys of all results.

A key is the hash of everything that a result depends on. Reading, writing and doing the plan belong to `work` and
`stages`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from trivium.base.files import fingerprint, xxh3
from trivium.corpus.preparation import LATER, Preparation
from trivium.corpus.read import sources as reader
from trivium.corpus.read.reading import Reading
from trivium.corpus.read.unpack import PACKED

SHARD_BYTES = 8 << 20
"""Bytes of text in a shard."""
PACKED_RATIO = 4
"""Bytes of text in a byte of a packed file."""
MOST_SHARDS = 1000
"""The default limit of a job array in batch systems."""


@dataclass(frozen=True)
class Unit:
    """The part of a file that one shard reads: `stage/split` says where each of its `parts` begins."""

    path: str
    size: int
    hash: str
    part: int = 0
    parts: int = 1

    @property
    def identity(self) -> list[Any]:
        """All that its documents depend on."""
        return [Path(self.path).name, self.size, self.hash, self.part, self.parts]

    def __str__(self) -> str:
        name = Path(self.path).name
        return name if self.parts == 1 else f"{name}, part {self.part + 1} of {self.parts}"


def assign(files: Sequence[Unit], count: int, before: Sequence[Sequence[Unit]] = ()) -> list[list[Unit]]:
    """Divide files among `count` shards; a file of the plan `before` stays in its shard.

    New files go, the largest first, to the shard with the least bytes. A file that is larger than one and a half shards
    is divided into parts, which several shards read.
    """
    room = max(1, sum(file.size for file in files) // count)
    known = {(unit.path, unit.part): (shard, unit.parts) for shard, units in enumerate(before) for unit in units}
    shards: list[list[Unit]] = [[] for _ in range(count)]
    fresh: list[Unit] = []
    for file in files:
        found = known.get((file.path, 0))
        parts = found[1] if found else min(count, -(-file.size // room)) if 2 * file.size > 3 * room else 1
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


def units(
    sources: Sequence[str | Path], reading: Reading | None = None, passed: list[Path] | None = None
) -> list[Unit]:
    """Return every file of the sources as a unit, by path; a source that is no file is a unit known by its version.

    `passed` takes the files that are not read.
    """
    found = [Unit(str(path), size, xxh3(path)) for path, size in reader.files(sources, reading, passed)]
    found += [Unit(name, 0, version) for name, version in reader.remote(sources)]
    return sorted(found, key=lambda unit: unit.path)


def shard_count(files: Sequence[Unit]) -> int:
    """Return the number of shards for files of these sizes."""
    packed = (*PACKED, ".parquet")
    size = sum(file.size * (PACKED_RATIO if file.path.endswith(packed) else 1) for file in files)
    return max(1, min(MOST_SHARDS, -(-size // SHARD_BYTES)))


@dataclass(frozen=True)
class Plan:
    """The work that is to be done, as every process that takes part reads it."""

    sources: list[str]
    preparation: Preparation
    shards: list[list[Unit]]
    inputs: dict[str, Any]
    """All that the data depend on, as the manifest states it."""
    code: str
    passed: list[str]
    """The files that are not read."""
    keep_dropped: str | None = None
    """The file that takes dropped documents."""
    keep_work: bool = True

    @cached_property
    def divided(self) -> list[Unit]:
        """The files that several shards read, each as its first part."""
        return [unit for units in self.shards for unit in units if unit.parts > 1 and not unit.part]

    @cached_property
    def key(self) -> str:
        """The key of the whole plan."""
        return fingerprint([self.read_keys, self.inputs])

    @cached_property
    def read_keys(self) -> list[str]:
        """The key of the documents of each shard."""
        options = {name: value for name, value in self.inputs["preparation"].items() if name not in LATER}
        same = [self.code, options, self.inputs.get("language_by"), self.keep_dropped is not None]
        return [fingerprint([same, [unit.identity for unit in units]]) for units in self.shards]

    @cached_property
    def dedup_key(self) -> str:
        """The key of the decisions about all shards together."""
        paths = [[unit.path for unit in units] for units in self.shards]
        return fingerprint([self.read_keys, paths, self.preparation.valid_share])

    @cached_property
    def tokenizer_key(self) -> str:
        """The key of the tokenizer."""
        options = self.preparation
        if options.tokenizer is not None:
            return fingerprint([self.code, options.tokenizer, self.inputs.get("tokenizer")])
        return fingerprint([self.dedup_key, options.vocab_size, options.sample_bytes])
