"""Lines: which text, face and picture stands at each index. A pure function of texts, faces, level and seed.

Whole texts are held out by their hash. Signs that need another layout than left to right, one after the other (Arabic,
Hebrew, marks that stand on letters), are not drawn; nor is a sign in a face that lacks it. Both are named.
"""

import re
import unicodedata
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, get_args

import numpy as np
from pydantic import Field

from trivium.base.config import Config, Seq
from trivium.base.errors import DataError
from trivium.base.files import sha256
from trivium.base.seeds import LARGEST, generator
from trivium.image.lines.draw import HEIGHT, Sketch, draw, plan
from trivium.image.lines.face import Face, Part, faces_of
from trivium.image.lines.level import Clean, LineLevel

SHORTEST, LONGEST = 10, 60
"""The signs of a line."""
USUAL = 10_000
"""The lines of a name that says no number."""
RULE = re.compile(r"([^\w\s])\1{3,}")
ATTEMPTS = 1000
"""The places of the texts that are tried for a line that some face can draw."""


class Drawing(Config):
    """What lines are drawn of."""

    text: Seq[str] = ("embedded",)
    """The texts: `embedded`, folders, files of text, data folders."""
    fonts: Seq[str] = ()
    """Fonts beside the faces of matplotlib: files, folders, families that are installed."""
    seed: int = Field(0, ge=0, le=LARGEST)
    """The start of all randomness: other lines for another seed."""
    held_out: float = Field(0.05, gt=0, lt=1)
    """The share of texts that training never sees."""


@dataclass(frozen=True)
class Line:
    """One line, which is drawn when its picture is read; it has the methods of `image.read.PictureFile`."""

    lines: "Lines"
    index: int
    text: str
    face: str
    width: int

    where, file = "", None
    """No file is read that could be broken."""

    @property
    def name(self) -> str:
        """How results call the picture."""
        return f"{self.lines.name}: line {self.index}"

    def size(self) -> tuple[int, int]:
        """Return the height and the width in pixels."""
        return HEIGHT, self.width

    def colours(self, background: tuple[int, ...] = ()) -> np.ndarray:
        """Return the grey picture, uint8 [32, W]."""
        made, rng = self.lines.plan(self.index)
        return draw(made, rng)


def divided(texts: Iterable[str], part: Part, share: float) -> list[str]:
    """Return the texts of a part, on one line each; a text belongs to one part by its hash.

    A rule of signs, such as -----, becomes three of them: to count them is not to read.
    """
    kept = []
    for text in texts:
        held = int(sha256(text)[:8], 16) < share * 16**8
        if held == (part != "train") and (plain := " ".join(unicodedata.normalize("NFC", text).split())):
            kept.append(RULE.sub(r"\1\1\1", plain))
    return kept


def _complex(sign: str) -> bool:
    """Return whether a sign cannot stand where the one before it ends."""
    return unicodedata.bidirectional(sign) in ("R", "AL", "AN") or unicodedata.category(sign)[0] in "MC"


class Lines:
    """The lines of a part. `remarks` tells which signs of the texts are not drawn, and which faces lack some.

    Raise DataError where the part has no texts, or no face draws a line of them.
    """

    def __init__(
        self,
        texts: Sequence[str],
        faces: Sequence[Face],
        levels: Sequence[LineLevel] = (Clean(),),
        seed: int = 0,
        name: str = "lines",
        count: int = USUAL,
    ) -> None:
        self.name, self.count = name, count
        self.texts = [text for text in texts if len(text) >= SHORTEST]
        self.faces, self.levels, self.seed = [*faces], [*levels], seed
        if not self.texts:
            raise DataError(f"{name}: expected texts of at least {SHORTEST} signs in this part, found none")
        self._ends = [*accumulate(map(len, self.texts))]
        found = Counter[str]()
        for text in self.texts:
            found.update(text)
        self._not_drawn = {sign for sign in found if _complex(sign)}
        plain = "".join(sorted({*found} - self._not_drawn))
        self._lacks = [frozenset(face.lacks(plain)) for face in self.faces]
        nowhere = frozenset.intersection(*self._lacks)
        self.remarks = []
        some = [(face.name, lacks - nowhere) for face, lacks in zip(self.faces, self._lacks, strict=True)]
        if told := [f"{name} {len(signs)} ({_shown(signs, 4)})" for name, signs in some if signs]:
            self.remarks.append(f"lines with signs that a face lacks are drawn in others: {', '.join(told)}")
        for signs, why in ((nowhere, "no face has"), (self._not_drawn, "this layout cannot place")):
            if signs:
                count = sum(found[sign] for sign in signs)
                self.remarks.append(
                    f"{why} {len(signs)} signs of the texts ({_shown(signs)}), which stand there {count:,} times: "
                    "no line has them"
                )
        self._not_drawn |= nowhere

    def __len__(self) -> int:
        """Return the number of lines that are asked for; there is no last index."""
        return self.count

    def __iter__(self) -> Iterator[Line]:
        """Yield the lines from index 0 on."""
        return map(self.line, range(self.count))

    def line(self, index: int) -> Line:
        """Return line `index`: always the same for one seed."""
        made, _ = self.plan(index)
        return Line(self, index, made.text, made.face.name, made.width)

    def plan(self, index: int) -> tuple[Sketch, np.random.Generator]:
        """Return what is drawn at an index, and the generator by which it is."""
        rng = generator(self.seed, index)
        for _ in range(ATTEMPTS):
            text = self._text(rng)
            able = [face for face, lacks in zip(self.faces, self._lacks, strict=True) if lacks.isdisjoint(text)]
            if text and able and self._not_drawn.isdisjoint(text):
                face = able[int(rng.integers(len(able)))]
                return plan(text, face, self.levels[index % len(self.levels)], rng), rng
        names = ", ".join(face.name for face in self.faces)
        raise DataError(
            f"{self.name}: {names} can draw none of {ATTEMPTS:,} lines of the texts; "
            f"{'; '.join(self.remarks) or 'no words'}; name a font that has them"
        )

    def _text(self, rng: np.random.Generator) -> str:
        """Return 10 to 60 signs of the texts, from the start of a word to the end of one if that leaves 10; else ""."""
        at = int(rng.integers(self._ends[-1]))
        number = bisect_right(self._ends, at)
        text = self.texts[number]
        at -= self._ends[number] - len(text)
        if (space := text.find(" ", at, at + LONGEST)) >= 0:
            at = space + 1
        size = int(rng.integers(SHORTEST, LONGEST + 1))
        piece = text[at : at + size]
        if at + size < len(text) and text[at + size] != " " and (last := piece.rfind(" ")) >= SHORTEST:
            piece = piece[:last]
        return piece.strip() if len(piece.strip()) >= SHORTEST else ""


def _shown(signs: Iterable[str], most: int = 12) -> str:
    """Return signs as text: the first of them, in order."""
    ordered = sorted(signs)
    return "".join(f"\\u{ord(sign):04x}" if not sign.isprintable() else sign for sign in ordered[:most]) + (
        "…" if len(ordered) > most else ""
    )


NAME = re.compile(r"lines:(?P<levels>\w+(\+\w+)*)(:(?P<part>[a-z]+))?(:(?P<count>\d{1,9}))?")


def is_lines(name: object) -> bool:
    """Return whether a name says that lines are drawn."""
    return str(name).startswith("lines:")


def open_lines(name: str, texts: Callable[[Sequence[str]], Iterable[str]], drawing: Drawing) -> Lines:
    """Return the lines of a name `lines:LEVEL[+LEVEL][:PART][:COUNT]`, such as `lines:hard` or `lines:worn:family:500`.

    `texts` reads the texts that `drawing` names. Raise DataError for another level or part, and what `Lines` refuses.
    """
    found = NAME.fullmatch(name)
    levels = found["levels"].split("+") if found else []
    part: Any = (found["part"] or "train") if found else ""
    if not found or any(level not in LineLevel.kinds for level in levels) or part not in get_args(Part):
        raise DataError(
            f"{name}: expected lines:LEVEL[:PART][:COUNT], with a level of {', '.join(LineLevel.kinds)} (several as "
            f"clean+hard) and a part of {', '.join(get_args(Part))}"
        )
    faces, count = faces_of(part, drawing.fonts), int(found["count"] or USUAL)
    given = [*texts(drawing.text)]
    if not (chosen := divided(given, part, drawing.held_out)) and given:
        raise DataError(
            f"{name}: expected texts in the part {part}, found none: all {len(given)} texts belong to the other part "
            "by their hash (a file of text is one); give more texts"
        )
    return Lines(chosen, faces, [LineLevel.kinds[level]() for level in levels], drawing.seed, name, count)
