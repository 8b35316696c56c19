"""What files of rows have beside what is used of them: nothing that people bring is lost in silence.

Keys that are not used, guesses, and what is left out are counted by file and told once. A key that means something for
training and is not used is a red flag.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from trivium.base.log import warn


@dataclass
class FileNotes:
    """The rows of one file that are used, by kind, and what is told of them."""

    kinds: Counter[str] = field(default_factory=Counter)
    unused: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    """Keys that mean something and are not used."""
    remarks: Counter[str] = field(default_factory=Counter)
    mended: Counter[str] = field(default_factory=Counter)
    """What was recognised, repaired or left out as the file was read, before there were rows."""


class Notes:
    """The notes of several files. `words` says whether rows are read in words, or before a head."""

    def __init__(self, words: bool = True) -> None:
        self.words, self.files = words, dict[str, FileNotes]()
        self.counts = Counter[str]()
        """Rows that are left out or cut, by reason, in all files."""
        self.told = Counter[str]()
        """Rows of all files that stay although something is wrong with them, by what it is."""
        self.named = ""
        """The hash of the content of the files that rows name, in the order of the rows; "" where they name none."""
        self._prefixes = Counter[str]()
        self._here = FileNotes()

    def open(self, path: str | Path) -> None:
        """Begin a file."""
        self._here = self.files[str(path)] = FileNotes()

    def add(self, kind: str, left: Iterable[tuple[str, bool]], others: Iterable[str], remarks: Iterable[str]) -> None:
        """Count a row: its kind, the keys that are not used, and whether each of them means something."""
        here = self._here
        here.kinds[kind] += 1
        for key, means in {*left, *((name, False) for name in others)}:
            (here.lost if means else here.unused)[key] += 1
        here.remarks.update(remarks)

    def remark(self, remarks: Iterable[str]) -> None:
        """Count remarks on a row of the file that is open."""
        self._here.remarks.update(remarks)

    def asked(self, prefix: str, remarks: Iterable[str]) -> None:
        """Count a row in words: the prefix that it is asked behind, or "", and remarks on it."""
        self._prefixes[prefix] += 1
        self.remark(remarks)

    @property
    def prefix(self) -> str:
        """The prefix of all rows; "" where they have several, or none."""
        return next(iter(self._prefixes)) if len(self._prefixes) == 1 else ""

    @property
    def mended(self) -> Counter[str]:
        """The counts of the reading of the open file."""
        return self._here.mended

    @property
    def rows(self) -> int:
        """The rows of the open file so far."""
        return self._here.kinds.total()

    def formats(self) -> list[str]:
        """Return a line for each file: its rows by kind."""
        lines = []
        for path, one in self.files.items():
            kinds = ", ".join(
                f"{kind} ({count:,})" if len(one.kinds) > 1 else kind for kind, count in one.kinds.items()
            )
            lines.append(f"{path}: {one.kinds.total():,} rows, read as {kinds or 'nothing'}")
        return lines

    def lines(self) -> list[str]:
        """Return a line for each repair and each remark, and one for the keys of each file that are not used."""
        lines = []
        for path, one in self.files.items():
            lines += [f"{path}: {what}" + f" ({count:,} times)" * (count > 1) for what, count in one.mended.items()]
            lines += [f"{path}: {count:,} rows: {remark}" for remark, count in sorted(one.remarks.items())]
            if one.unused:
                keys = ", ".join(f"{key} ({count:,} rows)" for key, count in sorted(one.unused.items()))
                lines.append(f"{path}: not used: {keys}")
        return lines

    def flags(self) -> list[str]:
        """Return a line for each key that means something and is not used, and for what else is wrong."""
        keys = [
            f"{path}: the key {key!r} of {count:,} rows is not used"
            for path, one in self.files.items()
            for key, count in sorted(one.lost.items())
        ]
        return keys + [f"{count:,} rows: {what}" for what, count in sorted(self.told.items())]

    def tell(self) -> None:
        """Say everything on the error stream."""
        for line in (*self.lines(), *self.flags()):
            warn(line)
