"""The hub: data sets that Hugging Face `datasets` can open, streamed row by row and never stored.

    hf:NAME[:SPLIT][:COLUMN]      hf:Skylion007/openwebtext     hf:HuggingFaceFW/fineweb/sample-10BT:train:text

NAME is a data set of the hub (`owner/name`, or `owner/name/configuration`), or a folder of .parquet, .jsonl, .csv or
.txt files. The split is `train` if none is given. No code of a data set is run.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from trivium.base.errors import DataError
from trivium.base.files import fingerprint, xxh3
from trivium.base.folder import HUB
from trivium.base.plugin import extra


class Place(NamedTuple):
    """The parts of a source that begins with `hf:`."""

    name: str
    config: str | None
    split: str
    column: str | None


def place(source: str) -> Place:
    """Split a source into its parts; a DataError if it has too many, or no name."""
    name, *rest = source.removeprefix(HUB).split(":")
    if not name or len(rest) > 2:
        raise DataError(f"{source}: expected hf:NAME, hf:NAME:SPLIT or hf:NAME:SPLIT:COLUMN")
    split, column = [*rest, "", ""][:2]
    config = None
    if not Path(name).is_dir() and name.count("/") == 2 and not name.startswith((".", "/")):
        name, _, config = name.rpartition("/")
    return Place(name, config, split or "train", column or None)


def rows(source: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a data set; every failure is a DataError of one line."""
    where = place(source)
    datasets = _library(source)
    try:
        yield from datasets.load_dataset(where.name, where.config, split=where.split, streaming=True)
    except Exception as failed:  # a library that uses a network may raise anything
        raise DataError(f"{source}: cannot be read: {_line(failed)}") from failed


def version(source: str) -> str:
    """Return the version of a data set: the commit of the hub, or a hash of the files of a folder."""
    where = place(source)
    root = Path(where.name)
    if root.is_dir():
        inside = sorted(path for path in root.rglob("*") if path.is_file() and not path.name.startswith("."))
        return fingerprint([[str(path.relative_to(root)), xxh3(path)] for path in inside])
    _library(source)
    from huggingface_hub import HfApi

    try:
        return str(HfApi().dataset_info(where.name).sha)
    except Exception as failed:
        raise DataError(f"{source}: no such folder, and the hub does not answer: {_line(failed)}") from failed


def _library(source: str) -> Any:
    datasets = extra("datasets", f"{source}: reading from the hub")
    datasets.disable_progress_bars()
    return datasets


def _line(failed: Exception) -> str:
    return next((line.strip() for line in str(failed).splitlines() if line.strip()), type(failed).__name__)[:300]
