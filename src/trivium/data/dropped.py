"""Dropped: every document that was left out, counted by reason and, on request, written down with it.

The file is .jsonl, a line a document: reason, source, id, text as it stood when it was dropped. It appears whole at
the end. It refuses to know the reasons.
"""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from trivium.base.files import writing
from trivium.base.types import Document


@dataclass
class Dropped:
    """What was left out so far."""

    counts: Counter[str] = field(default_factory=Counter)
    handle: IO[Any] | None = None

    def add(self, document: Document, reason: str, detail: str = "") -> None:
        """Count a document under a reason; `detail` is written down with it, and not counted apart."""
        self.counts[reason] += 1
        if self.handle is not None:
            row = {"reason": reason, "detail": detail, "source": document.source, "id": document.id}
            line = json.dumps({**{k: v for k, v in row.items() if v}, "text": document.text}, ensure_ascii=False)
            self.handle.write(line.encode("utf-8", "replace") + b"\n")


def place(path: str | Path) -> Path:
    """The file that is meant: `dropped.jsonl` in a folder, or the path itself where it has a suffix."""
    path = Path(path)
    return path / "dropped.jsonl" if path.is_dir() or not path.suffix else path


@contextmanager
def dropping(path: Path | None) -> Iterator[Dropped]:
    """Count what is dropped, and write it to `path` if there is one."""
    if path is None:
        yield Dropped()
        return
    with writing(path) as handle:
        yield Dropped(handle=handle)
