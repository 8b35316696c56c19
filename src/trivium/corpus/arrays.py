"""Arrays and plain data in one file: written whole or not at all, read one array at a time."""

import io
import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from trivium.base.errors import DataError
from trivium.base.files import writing


def save(path: Path, facts: Any, **arrays: np.ndarray) -> None:
    """Write arrays, and plain data as `facts`; equal contents are equal bytes."""
    buffer = io.BytesIO()
    text = np.frombuffer(json.dumps(facts, ensure_ascii=False).encode("utf-8", "surrogatepass"), np.uint8)
    np.savez(buffer, **{"facts": text, **arrays})  # type: ignore[arg-type]
    with writing(path) as handle:
        handle.write(buffer.getbuffer())


class Arrays:
    """The arrays of a file that `save` wrote. The file is open only while one is read: there may be many files."""

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
        """Return the plain data."""
        return json.loads(self["facts"].tobytes().decode("utf-8", "surrogatepass"))
