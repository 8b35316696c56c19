"""Files that appear whole or not at all, and hashes of files.

Every file is written under a temporary name, flushed to the disk and renamed; the manifest of a folder is written last.
So a reader never finds a half-written file under its final name.
"""

import glob
import hashlib
import json
import math
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import xxhash
from filelock import FileLock, Timeout

from trivium.base.errors import DataError, TriviumError, told

_TEMPORARY = re.compile(r"\.(?P<name>.+)\.(?P<kind>tmp|old)-(?P<process>\d+)", re.DOTALL)


def temporary(path: Path, process: int) -> Path:
    """Return the name under which a process writes what becomes `path`."""
    return path.with_name(f".{path.name}.tmp-{process}")


def _temporary(path: Path) -> Path:
    return temporary(path, os.getpid())


def _alive(process: str) -> bool:
    if os.name == "nt":  # signal 0 is Ctrl-C there: what cannot be asked is taken to be alive
        return True
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except (PermissionError, ValueError):
        pass
    return True


def _sweep(path: Path) -> None:
    """Remove the temporary files of dead processes beside `path`; restore a folder that one of them had moved aside."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*-*"):
        if (found := _TEMPORARY.fullmatch(left.name)) and found["name"] == path.name and not _alive(found["process"]):
            _settle(left, found["kind"], path)


def sweep(folder: Path) -> None:
    """Settle what dead processes left in a folder, for every name. The caller has locked it: nobody else writes there.

    So a process number that is in use again, as after a restart of a container, keeps nothing alive.
    """
    for left in folder.glob(".*-*"):
        if found := _TEMPORARY.fullmatch(left.name):
            _settle(left, found["kind"], folder / found["name"])


def _settle(left: Path, kind: str, path: Path) -> None:
    with suppress(OSError):
        if kind == "old" and not path.exists():
            os.replace(left, path)
        elif left.is_dir():
            shutil.rmtree(left)
        else:
            left.unlink()


def sync_folder(path: Path) -> None:
    """Make a rename inside `path` survive a power cut; do nothing where folders cannot be opened."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def writing(path: str | Path, mode: str = "wb") -> Iterator[IO[Any]]:
    """Open a temporary file beside `path`; on success rename it to `path`, on an error remove it.

    Raise TriviumError with the file's name where the disk is full or the folder is read-only.
    """
    path = Path(path)
    beside = _temporary(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
        encoding, newline = (None, None) if "b" in mode else ("utf-8", "\n")  # the same bytes on every system
        with open(beside, mode, encoding=encoding, newline=newline) as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(beside, path)
        sync_folder(path.parent)
    except OSError as error:
        raise TriviumError(f"{path}: cannot write: {error.strerror or error}; nothing was changed") from error
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write a UTF-8 file, whole or not at all."""
    with writing(path, "w") as handle:
        handle.write(text)


def strict(value: Any) -> Any:
    """Return plain data with None for each number that is not finite, because JSON has no such numbers."""
    if isinstance(value, dict):
        return {key: strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [strict(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_json(path: str | Path, value: Any) -> None:
    """Write a JSON file, whole or not at all; a number that is not finite is null."""
    value = strict(value)
    text = json.dumps(value, ensure_ascii=False, indent=2)
    if not text.isascii() and re.search("[\ud800-\udfff]", text):  # UTF-8 has none; file names may, and JSON escapes it
        text = json.dumps(value, indent=2)
    write_text(path, text + "\n")


def read_json(path: str | Path, error: type[TriviumError] = DataError) -> Any:
    """Read a JSON file; raise `error` with file and position where it cannot be read or parsed."""
    try:
        if special(Path(path)):
            raise error(f"{path}: expected a file, found a device or a pipe")
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as missing:
        raise error(f"{path}: no such file") from missing
    except (ValueError, RecursionError) as broken:  # a number may have more digits than Python reads
        raise error(f"{path}: not a JSON file: {told(broken)}") from broken
    except OSError as failed:
        raise error(f"{path}: cannot read: {failed.strerror or failed}") from failed


def special(path: Path) -> bool:
    """Return whether a path leads to what is neither a file nor a folder: a device, a pipe, a socket."""
    return path.exists() and not path.is_file() and not path.is_dir()


def vacant(path: str | Path, force: bool = False) -> None:
    """Raise TriviumError where `path` is a file, or a folder that holds something, unless `force` is set."""
    path = Path(path)
    if not force and path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise TriviumError(f"{path}: exists already; add --force to write in its place, or name another")


@contextmanager
def publishing(folder: str | Path, filled: Path | None = None) -> Iterator[Path]:
    """Give a temporary folder to fill; then flush it and rename it to `folder`, in place of an older one.

    Give `filled` instead, where several processes have filled it.
    """
    folder = Path(folder)
    inside, old = filled or _temporary(folder), folder.with_name(f".{folder.name}.old-{os.getpid()}")
    try:
        _sweep(folder)
        if filled is None:
            shutil.rmtree(inside, ignore_errors=True)
            inside.mkdir(parents=True)
        yield inside
        for inner in [*(path for path in inside.rglob("*") if path.is_dir()), inside]:
            sync_folder(inner)
        if folder.exists():
            os.replace(folder, old)
        os.replace(inside, folder)
        sync_folder(folder.parent)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise TriviumError(f"{folder}: cannot write: {error.strerror or error}; nothing was changed") from error
    finally:
        shutil.rmtree(inside, ignore_errors=True)
        if old.exists():
            shutil.rmtree(old, ignore_errors=True) if folder.exists() else os.replace(old, folder)


@contextmanager
def locked(path: Path, waiting: Callable[[], object] | None = None) -> Iterator[bool]:
    """Yield whether this process alone holds the lock file `path`; the lock ends with the block, or with the process.

    With `waiting` a second process calls it once, then waits for its turn. Raise TriviumError where the file cannot be
    made.
    """
    lock, wait = FileLock(path), False
    try:
        while not lock.is_locked:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire(blocking=wait)
            except Timeout:
                if waiting is None:
                    break
                waiting()
                wait = True
            except FileNotFoundError:  # the holder before has removed the folder
                continue
    except OSError as error:
        raise TriviumError(f"{path.parent}: cannot write: {error.strerror or error}") from error
    try:
        yield lock.is_locked
    finally:
        lock.release()


def xxh3(path: str | Path) -> str:
    """Return the xxh3_128 of a file: fast, to compare a shard with its manifest."""
    digest = xxhash.xxh3_128()
    with open(path, "rb") as handle:
        while block := handle.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def sha256(value: bytes | str | Path) -> str:
    """Return the sha256 of bytes, of a string's UTF-8, or of the content of a file (a Path): for identity."""
    if isinstance(value, Path):
        with open(value, "rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    return hashlib.sha256(value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value).hexdigest()


def fingerprint(value: Any) -> str:
    """Return a short identity (16 hex digits) of a plain tree: a configuration, a list of sources."""
    return sha256(json.dumps(value, sort_keys=True, ensure_ascii=True, default=str))[:16]
