"""Token shards: headerless little-endian ids with an index of document offsets beside them.

    train-00000.tok     uint16 where the largest id fits, else uint32; content ids only
    train-00000.idx     uint64[documents + 1] offsets into it
    train-00000.src     the origin of each document: the number of its source in its shard, and its id there

The manifest names size and hash of each; it is written last, so a folder with a manifest is whole. Special tokens (BOS,
EOS, ...) are not in the shards: the objective adds them, so the same shards serve every family.
"""

import io
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from trivium.base.errors import DataError
from trivium.base.files import read_json, writing, xxh3
from trivium.base.folder import kind_of
from trivium.base.integrity import TAKE, changed
from trivium.base.version import readable

KEYS = ("dtype", "vocab_size", "tokenizer", "splits", "inputs_hash", "dataset_id")
"""The keys that every reader of a manifest may rely on."""


def dtype_for(vocab_size: int) -> np.dtype:
    """Return the smallest type that holds every id of a vocabulary."""
    return np.dtype("<u2") if vocab_size <= 1 << 16 else np.dtype("<u4")


class ShardWriter:
    """Write a shard, a batch of documents at a time; a shard without documents leaves no file.

    Use it as a context: the files appear at its end, and not at all after an error. `line` is then the entry of the
    shard in the manifest, or None.
    """

    def __init__(self, folder: Path, name: str, vocab_size: int) -> None:
        self.folder, self.name, self.vocab_size = folder, name, vocab_size
        self.line: dict[str, Any] | None = None
        self._dtype = dtype_for(vocab_size)
        self._files = ExitStack()
        self._tokens: IO[Any] | None = None
        self._lengths: list[np.ndarray] = []
        self._source: list[int] = []
        self._id: list[bytes] = []
        self._count = self._bytes = 0

    def __enter__(self) -> "ShardWriter":
        return self

    def add(
        self, ids: np.ndarray, offsets: np.ndarray, text_bytes: int, places: Sequence[tuple[int, str]] = ()
    ) -> None:
        """Write the ids of some documents; document i has ids[offsets[i]:offsets[i + 1]].

        `places` are the source and the id of each document. An id outside the vocabulary is a DataError.
        """
        if len(ids) and int(ids.max()) >= self.vocab_size:
            where = f"{self.folder / self.name}.tok"
            raise DataError(f"{where}: id {int(ids.max())} is outside the vocabulary of {self.vocab_size}")
        if self._tokens is None:
            self._tokens = self._files.enter_context(writing(self.folder / f"{self.name}.tok"))
        self._tokens.write(ids.astype(self._dtype).tobytes())
        self._lengths.append(np.diff(offsets.astype(np.int64)))
        self._count, self._bytes = self._count + len(ids), self._bytes + text_bytes
        self._source += [source for source, _ in places]
        self._id += [name.encode("utf-8", "replace") for _, name in places]

    def __exit__(self, *error: Any) -> None:
        self._files.__exit__(*error)
        if self._tokens is None or error[0] is not None:
            return
        lengths = np.concatenate(self._lengths)
        with writing(self.folder / f"{self.name}.idx") as handle:
            handle.write(np.concatenate([[0], lengths]).cumsum().astype("<u8").tobytes())
        self.line = {
            "name": self.name,
            "tokens": self._count,
            "documents": len(lengths),
            "bytes": self._bytes,
            "xxh3_128": xxh3(self.folder / f"{self.name}.tok"),
            "idx_xxh3_128": xxh3(self.folder / f"{self.name}.idx"),
        }
        if self._id:
            buffer = io.BytesIO()
            np.savez_compressed(buffer, source=np.array(self._source, "<u4"), id=np.array(self._id, "S"))
            with writing(self.folder / f"{self.name}.src") as handle:
                handle.write(buffer.getbuffer())
            self.line["src_xxh3_128"] = xxh3(self.folder / f"{self.name}.src")


def hashed(manifest: dict[str, Any], *splits: str) -> dict[str, str]:
    """Return the files of a data folder, each with its hash: of these splits, or of all; its tokenizer in any case."""
    lines = [line for split in splits or manifest["splits"] for line in manifest["splits"].get(split, [])]
    return {name: wanted for line in lines for name, wanted in parts(line).items()} | manifest.get("files", {})


def parts(line: dict[str, Any]) -> dict[str, str]:
    """Return the files of a shard, each with its hash, from the shard's entry in the manifest."""
    named = {".tok": "xxh3_128", ".idx": "idx_xxh3_128", ".src": "src_xxh3_128"}
    return {f"{line['name']}{suffix}": line[key] for suffix, key in named.items() if key in line}


def whole(folder: Path, manifest: dict[str, Any]) -> bool:
    """Return whether every file of a data folder exists with the hash of its manifest; each is read for it."""
    files = hashed(manifest).items()
    return all((folder / name).is_file() and xxh3(folder / name) == wanted for name, wanted in files)


def read_manifest(folder: str | Path) -> dict[str, Any]:
    """Return the manifest of a data folder; a DataError if there is none, or one of a later version."""
    path = Path(folder) / "manifest.json"
    if not path.is_file():
        if (what := kind_of(path.parent)) in ("a model folder", "a run folder", "a tokenizer folder", "a file"):
            raise DataError(
                f"{folder}: expected a data folder, found {what}; `trivium prepare SOURCE -o FOLDER` makes one"
            )
        there = path.parent.is_dir()  # `prepare` never writes into a folder of something else
        why = "no manifest.json in it" if there else "no such folder"
        made = f"{folder} -o data/{path.parent.resolve().name}" if there else f"SOURCE -o {folder}"
        raise DataError(f"{folder}: not a data folder: {why}; make one with `trivium prepare {made}`")
    manifest = read_json(path)
    if not isinstance(manifest, dict):
        raise DataError(f"{path}: expected an object, found {type(manifest).__name__}; prepare the folder again")
    readable(manifest, path, DataError)
    if missing := [key for key in KEYS if key not in manifest]:
        raise DataError(f"{path}: expected a manifest with {', '.join(missing)}; prepare the folder again")
    return manifest


class Shard(NamedTuple):
    """A shard of one split, memory-mapped."""

    path: Path
    """The file of its ids."""
    tokens: np.ndarray
    offsets: np.ndarray
    """Where its documents begin in `tokens`, and where the last one ends."""
    first: int
    """The number of its first document in the split."""


class Corpus:
    """The documents of one split, memory-mapped. A file without its size or hash is a DataError."""

    def __init__(self, folder: str | Path, split: str) -> None:
        self.folder, self.split = Path(folder), split
        self.manifest = read_manifest(folder)
        dtype = np.dtype(self.manifest["dtype"])
        self._vocab_size = int(self.manifest["vocab_size"])
        self.shards: list[Shard] = []
        self._places: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self.bytes = first = 0
        for shard in self.manifest["splits"].get(split, []):
            self.bytes += shard["bytes"]
            tok, idx = (self._there(f"{shard['name']}{suffix}") for suffix in (".tok", ".idx"))
            offsets = np.fromfile(idx, dtype="<u8").astype(np.int64)
            if len(offsets) != shard["documents"] + 1 or offsets[-1] * dtype.itemsize != tok.stat().st_size:
                raise self._broken(tok, f"{int(offsets[-1]) if len(offsets) else 0} tokens by its index")
            if offsets[0] or (np.diff(offsets) < 0).any():
                raise self._broken(idx, "offsets that do not rise from 0")
            ids = np.memmap(tok, dtype=dtype, mode="r").view(np.ndarray) if offsets[-1] else np.empty(0, dtype)
            self.shards.append(Shard(tok, ids, offsets, first))
            first += len(offsets) - 1
        self.hashes = hashed(self.manifest, split)
        self._verify(*(name for name in self.hashes if not name.endswith(".src")))
        self._first = [one.first for one in self.shards]
        self.lengths = np.concatenate([np.diff(one.offsets) for one in self.shards] or [np.empty(0, np.int64)])

    def address(self, document: int) -> tuple[str, str]:
        """Return the source of a document (a file, by its name when the data were prepared) and its id there."""
        shard, local = self._place(document)
        path = self.shards[shard].path.with_suffix(".src")
        if "sources" not in self.manifest or not path.is_file():
            raise DataError(f"{path}: no such file: the addresses of documents are not known; prepare the folder again")
        if shard not in self._places:
            self._verify(path.name)
            with np.load(path, allow_pickle=False) as places:
                self._places[shard] = (places["source"], places["id"])
        source, name = self._places[shard]
        line = self.manifest["splits"][self.split][shard]
        return self.manifest["sources"][line["shard"]][int(source[local])], name[local].decode()

    def _place(self, document: int) -> tuple[int, int]:
        """Return the shard of a document, and its number there."""
        shard = bisect_right(self._first, document) - 1
        return shard, document - self._first[shard]

    def _verify(self, *names: str) -> None:
        files = {name: self.hashes[name] for name in names if self._there(name) and name in self.hashes}
        if (path := changed(self.folder, files)) is not None:
            raise self._broken(path, "another content than the manifest's hash", f"; {TAKE}")

    def _there(self, name: str) -> Path:
        if not (path := self.folder / name).is_file():
            raise self._broken(path, "no such file")
        return path

    def _broken(self, path: Path, found: str, more: str = "") -> DataError:
        text = f"{path}: expected the file its manifest describes, found {found}; prepare the folder again"
        return DataError(text + more)

    def __len__(self) -> int:
        return len(self.lengths)

    def read(self, document: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Return ids [start, stop) of a document as int64; an id outside the vocabulary is a DataError."""
        return self.checked(self.view(document, start, stop).astype(np.int64), [document])

    def view(self, document: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Return ids [start, stop) of a document as they are stored, without `checked`."""
        shard, local = self._place(document)
        tokens, offsets = self.shards[shard].tokens, self.shards[shard].offsets
        begin, end = offsets.item(local), offsets.item(local + 1)
        stop = end - begin if stop is None else min(stop, end - begin)
        return tokens[begin + start : begin + stop]

    def checked(self, ids: np.ndarray, documents: Iterable[int]) -> np.ndarray:
        """Return these ids of some documents; a DataError if one is outside the vocabulary."""
        if len(ids) and ids.max() >= self._vocab_size:
            for document in documents:
                if (top := self.view(document).max(initial=0)) >= self._vocab_size:
                    path = self.shards[self._place(document)[0]].path
                    raise self._broken(path, f"id {top} in a vocabulary of {self._vocab_size}")
        return ids

    def documents(self) -> Iterable[np.ndarray]:
        """Yield the ids of every document in order."""
        return (self.read(document) for document in range(len(self)))
