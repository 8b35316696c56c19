"""Reading: the options of reading, and which files can be read."""

from collections import Counter
from pathlib import Path
from typing import Literal, Self

from pydantic import model_validator

from trivium.base.config import Config
from trivium.base.errors import DataError
from trivium.corpus.read import encoding, unpack

Counts = Counter[str]
"""How many times each thing was repaired or left out, by reason."""

PAGES = (".html", ".htm", ".xhtml")
PLAIN, TABLES = (".txt", ".md", *PAGES), (".jsonl", ".csv", ".tsv", ".parquet")
KNOWN = f"{', '.join([*PLAIN, *TABLES])}, and these with {', '.join(unpack.PACKED)}"


class Reading(Config):
    """How sources are read: the key of the text, the policies for damaged input, and the limits."""

    text_key: str | None = None
    encoding: str | None = None
    """The encoding of files without a byte order mark; None is UTF-8, or the encoding that a whole text shows."""
    invalid: Literal["replace", "strict", "drop"] = "replace"
    broken: Literal["stop", "drop"] = "stop"
    """Rows that are no JSON object, or have no text: `stop` is an error, `drop` leaves them out and counts them."""
    html_rows: bool = False
    """Whether the texts of rows are HTML too, of which the main content is taken."""
    longest_bytes: int = 16 << 20
    unpack_ratio: int = 200
    unpack_bytes: int = 1 << 38
    most_rows: int | None = None
    """The most rows to take of each data set of the hub."""

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.encoding is not None and not encoding.known(self.encoding):
            wanted = "expected one that Python knows (utf-16, gb18030, ...)"
            raise ValueError(f"encoding: {wanted}, found {self.encoding!r}")
        return self

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that may hold the text of a row, the first one present counts."""
        return (self.text_key,) if self.text_key else ("text", "content")

    def reject(self, problem: str, reason: str, counts: Counts) -> None:
        """Treat a broken row as `broken` says: raise DataError, or count it as dropped."""
        if self.broken == "stop":
            raise DataError(problem)
        counts[f"{reason}, dropped"] += 1


def kind(path: Path) -> str:
    """Return the suffix that tells the content of a file, without its compression; "" if it is unknown."""
    suffix = Path(inner := unpack.inner_name(path)).suffix
    packed = inner != path.name.lower()
    return suffix if suffix in (*PLAIN, *TABLES) and not (suffix == ".parquet" and packed) else ""
