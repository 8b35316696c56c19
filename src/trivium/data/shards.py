"""Token shards: headerless little-endian ids with an index of document offsets beside them.

    train-00000.tok     uint16 where the largest id fits, else uint32; content ids only
    train-00000.idx     uint64[documents + 1] offsets into it

The manifest names size and hash of each; it is written last, so a folder with a manifest is whole. Specials (BOS,
EOS, ...) are not in the shards: the objective adds them, so the same shards serve every family.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from trivium.base.errors import DataError
from trivium.base.files import read_json, writing, xxh3

FORMAT = 1
KEYS = ("dtype", "vocab_size", "tokenizer", "splits", "inputs_hash", "dataset_id")
"""What every reader of a manifest may rely on."""


def dtype_for(vocab_size: int) -> np.dtype:
    """The smallest type that holds every id of a vocabulary."""
    return np.dtype("<u2") if vocab_size <= 1 << 16 else np.dtype("<u4")


def write_shard(
    folder: Path, name: str, ids: np.ndarray, offsets: np.ndarray, vocab_size: int, text_bytes: int
) -> dict[str, Any]:
    """Write one shard and its index; give its line of the manifest. An id outside the vocabulary is refused."""
    if len(ids) and int(ids.max()) >= vocab_size:
        raise DataError(f"{folder / name}.tok: id {int(ids.max())} is outside the vocabulary of {vocab_size}")
    with writing(folder / f"{name}.tok") as handle:
        handle.write(ids.astype(dtype_for(vocab_size)).tobytes())
    with writing(folder / f"{name}.idx") as handle:
        handle.write(offsets.astype("<u8").tobytes())
    return {
        "name": name,
        "tokens": len(ids),
        "documents": len(offsets) - 1,
        "bytes": text_bytes,
        "xxh3_128": xxh3(folder / f"{name}.tok"),
        "idx_xxh3_128": xxh3(folder / f"{name}.idx"),
    }


def read_manifest(folder: str | Path) -> dict[str, Any]:
    """The manifest of a data folder, checked for its format."""
    path = Path(folder) / "manifest.json"
    if not path.is_file():
        what = "no manifest.json in it" if path.parent.is_dir() else "no such folder"
        raise DataError(f"{folder}: not a data folder: {what}; make one with `trivium prepare SOURCE -o {folder}`")
    manifest = read_json(path)
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise DataError(f"{path}: expected data format {FORMAT}; prepare the folder again")
    if missing := [key for key in KEYS if key not in manifest]:
        raise DataError(f"{path}: expected a manifest with {', '.join(missing)}; prepare the folder again")
    return manifest


class Corpus:
    """The documents of one split, memory-mapped. Sizes are always checked, hashes on request."""

    def __init__(self, folder: str | Path, split: str, verify: bool = False) -> None:
        self.folder, self.split = Path(folder), split
        self.manifest = read_manifest(folder)
        dtype = np.dtype(self.manifest["dtype"])
        self._vocab_size = int(self.manifest["vocab_size"])
        self._paths: list[Path] = []
        self._tokens: list[np.ndarray] = []
        self._offsets: list[np.ndarray] = []
        self.bytes = 0
        for shard in self.manifest["splits"].get(split, []):
            self.bytes += shard["bytes"]
            tok, idx = (self._check(shard, suffix, verify) for suffix in (".tok", ".idx"))
            offsets = np.fromfile(idx, dtype="<u8").astype(np.int64)
            if len(offsets) != shard["documents"] + 1 or offsets[-1] * dtype.itemsize != tok.stat().st_size:
                raise self._broken(tok, f"{int(offsets[-1]) if len(offsets) else 0} tokens by its index")
            if offsets[0] or (np.diff(offsets) < 0).any():
                raise self._broken(idx, "offsets that do not rise from 0")
            self._tokens.append(np.memmap(tok, dtype=dtype, mode="r") if offsets[-1] else np.empty(0, dtype))
            self._offsets.append(offsets)
            self._paths.append(tok)
        self.lengths = np.concatenate([np.diff(o) for o in self._offsets] or [np.empty(0, np.int64)])
        self._first = np.cumsum([0, *(len(o) - 1 for o in self._offsets)])

    def _check(self, shard: dict[str, Any], suffix: str, verify: bool) -> Path:
        path = self.folder / f"{shard['name']}{suffix}"
        if not path.is_file():
            raise self._broken(path, "no such file")
        if verify and xxh3(path) != shard["xxh3_128" if suffix == ".tok" else "idx_xxh3_128"]:
            raise self._broken(path, "another content than the manifest's hash")
        return path

    def _broken(self, path: Path, found: str) -> DataError:
        return DataError(f"{path}: expected the shard its manifest describes, found {found}; prepare the folder again")

    def __len__(self) -> int:
        return len(self.lengths)

    def read(self, document: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Ids [start, stop) of a document, as int64; one outside the vocabulary is a DataError."""
        shard = int(np.searchsorted(self._first, document, side="right")) - 1
        offsets = self._offsets[shard]
        local = document - int(self._first[shard])
        begin, end = int(offsets[local]), int(offsets[local + 1])
        stop = end - begin if stop is None else min(stop, end - begin)
        ids = self._tokens[shard][begin + start : begin + stop].astype(np.int64)
        if len(ids) and ids.max() >= self._vocab_size:
            raise self._broken(self._paths[shard], f"id {ids.max()} in a vocabulary of {self._vocab_size}")
        return ids

    def documents(self) -> Iterable[np.ndarray]:
        """Every document's ids in order."""
        return (self.read(document) for document in range(len(self)))
