"""Hashes used when reading: each file is compared with its hash once, and again when its size or time changes.

What was compared is noted in the file `.verified.json` of the folder. A folder that cannot be written is compared each
time. The note has the number of the file on its disk too, so a copy of a folder is compared anew.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from trivium.base.errors import TriviumError
from trivium.base.files import read_json, write_json, xxh3

STAMP = ".verified.json"
TAKE = "--no-verify takes it as it is"
"""What an error says to a person who knows better."""
_VERIFYING = ContextVar("verifying", default=True)


def verifying() -> bool:
    """Return whether files are compared with their hashes here."""
    return _VERIFYING.get()


@contextmanager
def verification(wanted: bool) -> Iterator[None]:
    """Compare files with their hashes in this block; if not `wanted` here or around it, take folders as they are."""
    before = _VERIFYING.set(wanted and verifying())
    try:
        yield
    finally:
        _VERIFYING.reset(before)


def changed(folder: Path, hashes: Mapping[str, str]) -> Path | None:
    """Return the first file of a folder whose content has not its hash (xxh3_128), or None if all have."""
    if not verifying():
        return None
    known, fresh = _stamps(folder), {}
    for name, wanted in hashes.items():
        stamp = [wanted, *_state(folder / name)]
        if known.get(name) == stamp:
            continue
        if xxh3(folder / name) != wanted:
            return folder / name
        fresh[name] = stamp
    if fresh:
        with suppress(TriviumError):
            write_json(folder / STAMP, known | fresh)
    return None


def _state(path: Path) -> list[int]:
    found = path.stat()
    return [found.st_size, found.st_mtime_ns, found.st_ino]


def _stamps(folder: Path) -> dict[str, Any]:
    with suppress(TriviumError):
        found = read_json(folder / STAMP)
        return found if isinstance(found, dict) else {}
    return {}
