"""Reading: the options of reading, and which files can be read."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator

from trivium.base.config import Config, Seq
from trivium.base.errors import DataError
from trivium.corpus.read import unpack
from trivium.corpus.read.encoding import EncodingName

Counts = Counter[str]
"""How many times each thing was repaired or left out, by reason."""
NOT_READ = "not read: "
"""The beginning of a reason for which something was left out."""

PAGES = (".html", ".htm", ".xhtml")
PLAIN, TABLES = (".txt", ".md", *PAGES), (".jsonl", ".csv", ".tsv", ".parquet")
KNOWN = f"{', '.join([*PLAIN, *TABLES])}, and these with {', '.join(unpack.PACKED)}"


class Reading(Config):
    """How sources are read: the key of the text, the policies for damaged input, and the limits."""

    text_key: str | None = None
    """The key of the text in rows, or several with commas between; the first that a row has counts."""
    as_text: Seq[str] = ()
    """More kinds of files that are read as plain text, by suffix (rst, py), or by name where there is none."""
    encoding: EncodingName | None = None
    """The encoding of files without a byte order mark; None is UTF-8, or the encoding that a whole text shows."""
    invalid: Literal["replace", "strict", "drop"] = "replace"
    unsure: Literal["replace", "stop"] = "replace"
    """Files of rows that are neither UTF-8 nor surely recognised: `replace` is as `invalid` says, `stop` an error."""
    broken: Literal["stop", "drop"] = "stop"
    """Rows that are no JSON object, or have no text: `stop` is an error, `drop` leaves them out and counts them."""
    html_rows: bool = False
    """Whether the texts of rows are HTML too, of which the main content is taken."""
    longest_bytes: int = Field(16 << 20, ge=1)
    unpack_ratio: int = Field(200, ge=1)
    unpack_bytes: int = Field(1 << 38, ge=1)
    most_rows: int | None = Field(None, ge=1)
    """The most rows to take of each data set of the hub."""

    @field_validator("as_text", mode="before")
    @classmethod
    def _listed(cls, kinds: Any) -> Any:
        return kinds.split(",") if isinstance(kinds, str) else kinds or ()

    @field_validator("as_text")
    @classmethod
    def _plain(cls, kinds: tuple[str, ...]) -> tuple[str, ...]:
        plain = tuple(kind.strip().removeprefix(".").lower() for kind in kinds)
        for kind in plain:
            if f".{kind}" in (*unpack.PACKED, ".parquet") or not kind:
                raise ValueError(f"expected kinds of text files (rst, py, json), found {kind!r}")
        return plain

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that may hold the text of a row, the first one present counts."""
        return tuple(self.text_key.split(",")) if self.text_key else ("text", "content")

    def reject(self, problem: str, reason: str, counts: Counts) -> None:
        """Treat a broken row as `broken` says: raise DataError, or count it as dropped."""
        if self.broken == "stop":
            raise DataError(problem)
        counts[f"{NOT_READ}{reason}"] += 1


def kind(path: Path, as_text: Sequence[str] = ()) -> str:
    """Return the suffix that tells the content of a file, without its compression; "" if it is unknown.

    It is that of plain text for a file whose suffix, or name without one, is in `as_text`.
    """
    suffix = Path(inner := unpack.inner_name(path)).suffix
    if (suffix.removeprefix(".") or inner) in as_text:
        return ".txt"
    packed = inner != path.name.lower()
    return suffix if suffix in (*PLAIN, *TABLES) and not (suffix == ".parquet" and packed) else ""


def not_read(paths: Iterable[Path]) -> Counts:
    """Count what was not read, by kind: files, and what is no file."""

    def reason(path: Path) -> str:
        if os.path.lexists(path) and not path.is_file():
            return f"{NOT_READ}no file: a device, a pipe, or a link to nothing"
        kind = Path(unpack.inner_name(path)).suffix
        return f"{NOT_READ}{kind} file" if kind else f"{NOT_READ}file without a suffix"

    return Counter(map(reason, paths))


def advice(paths: Sequence[Path]) -> str:
    """Return the kinds of files that are not read with their counts, and the option that reads them."""
    kinds = Counter(Path(name := unpack.inner_name(path)).suffix.removeprefix(".") or name for path in paths)
    told = ", ".join(f"{kind} {count:,}" for kind, count in kinds.most_common(8))
    more = f" and {len(kinds) - 8} kinds more" if len(kinds) > 8 else ""
    return f"--as-text {','.join(sorted(kind for kind, _ in kinds.most_common(8)))} for files of text ({told}{more})"
