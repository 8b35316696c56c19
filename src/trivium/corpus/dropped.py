"""Dropped documents: counted by reason, and on request written to a file.

The file is .jsonl, a line for each document: reason, source, id and the text when it was dropped. A few documents of
each reason are kept as examples.
"""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from trivium.base.types import Document

EXAMPLES = 3
EXAMPLE_CHARS = 240


@dataclass
class Dropped:
    """The documents dropped so far."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    handle: IO[Any] | None = None

    def add(self, document: Document, reason: str, detail: str = "") -> None:
        """Count a document under a reason; `detail` is written with it, and not counted apart."""
        self.counts[reason] += 1
        row = {"reason": reason, "detail": detail, "source": document.source, "id": document.id}
        row = {key: value for key, value in row.items() if value}
        if self.counts[reason] <= EXAMPLES:
            cut = " ..." if len(document.text) > EXAMPLE_CHARS else ""
            example = {**{k: v for k, v in row.items() if k != "reason"}, "text": document.text[:EXAMPLE_CHARS] + cut}
            self.examples.setdefault(reason, []).append(
                {key: value.encode("utf-8", "replace").decode() for key, value in example.items()}
            )
        if self.handle is not None:
            line = json.dumps({**row, "text": document.text}, ensure_ascii=False)
            self.handle.write(line.encode("utf-8", "replace") + b"\n")


def place(path: str | Path) -> Path:
    """Return the file for dropped documents: `dropped.jsonl` in a folder, or the path itself if it has a suffix."""
    path = Path(path)
    return path / "dropped.jsonl" if path.is_dir() or not path.suffix else path
