"""The text of a page of the course: Markdown in two languages, read into its parts.

A page is a title, the idea in few words, and five sections. Fences mark what is no text: `math` is a formula in LaTeX,
`drawing NAME` a drawing with its words, `sh` commands. `{{name}}` is a measured number, `{{name:.1%}}` in that format.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from trivium.base.errors import DataError
from trivium.base.log import figures
from trivium.study.course.lesson import Numbers

LANGUAGES = ("en", "zh")
SECTIONS = ("formula", "drawing", "measure", "change", "questions")
"""The sections of a page, in order; `words.json` has their headings."""
PLACE = re.compile(r"\{\{(\w+)(?::([^{}]*))?\}\}")
FENCE = re.compile(r"^```(\w*) ?([\w-]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Fence(NamedTuple):
    """What stands between fences."""

    kind: str
    name: str
    body: str


class PageSection(NamedTuple):
    """A heading and the Markdown below it."""

    heading: str
    body: str


class CoursePage(NamedTuple):
    """A page in one language."""

    path: Path
    title: str
    idea: str
    sections: list[PageSection]

    @property
    def stem(self) -> str:
        """The name of the file, with its number: `06-rope`."""
        return self.path.stem

    @property
    def name(self) -> str:
        """The name of the lesson: `rope`."""
        return self.path.stem.partition("-")[2]

    @property
    def body(self) -> str:
        """All Markdown below the title."""
        return "\n".join([self.idea, *(section.body for section in self.sections)])

    @property
    def questions(self) -> list[PageSection]:
        """The questions of the last section, each with its answer."""
        return _split(self.sections[-1].body, "### ")[1] if self.sections else []

    @property
    def places(self) -> list[tuple[str, str]]:
        """The measured numbers that the page shows, in order: name and format."""
        return [(name, form) for name, form in PLACE.findall(self.body)]

    def fences(self, kind: str) -> list[Fence]:
        """Return the fences of a kind, in order."""
        return [found for found in map(Fence._make, FENCE.findall(self.body)) if found.kind == kind]

    def filled(self, numbers: Numbers) -> "CoursePage":
        """Return the page with its numbers, each between `OPEN` and `CLOSE`. A DataError names one that lacks."""

        def fill(text: str) -> str:
            return PLACE.sub(lambda at: f"{OPEN}{written(_found(self.path, numbers, at[1]), at[2] or '')}{CLOSE}", text)

        return self._replace(
            idea=fill(self.idea), sections=[PageSection(one.heading, fill(one.body)) for one in self.sections]
        )


OPEN, CLOSE = "\ue000", "\ue001"
"""What stands around a measured number until the page is HTML."""


def read(path: Path) -> CoursePage:
    """Read a page."""
    start, sections = _split(path.read_text(encoding="utf-8"), "## ")
    title, _, idea = start.strip().partition("\n")
    return CoursePage(path, title.removeprefix("# ").strip(), idea.strip(), sections)


def pages(home: Path, language: str) -> list[CoursePage]:
    """Return the pages of a language in order."""
    return [read(path) for path in sorted((home / language).glob("[0-9][0-9]-*.md"))]


def words(fence: Fence) -> dict[str, str]:
    """Return the words of a drawing by their keys: each line is `key: words`."""
    lines = [line.partition(": ") for line in fence.body.splitlines() if line.strip()]
    return {key.strip(): text.strip() for key, _, text in lines}


def differences(one: CoursePage, other: CoursePage, headings: Sequence[dict[str, str]]) -> Iterator[str]:
    """Yield in what two languages of a page differ that must be the same; `headings` are those of each language."""
    for page, heads in zip((one, other), headings, strict=True):
        expected, found = [heads[key] for key in SECTIONS], [section.heading for section in page.sections]
        if expected != found:
            yield f"{page.path}: expected the sections {', '.join(expected)}, found {', '.join(found)}"
        if len(page.questions) != 3 or not all(question.body for question in page.questions):
            yield f"{page.path}: expected 3 questions with answers, found {len(page.questions)}"
    for what, parts in (
        ("commands", [_commands(page) for page in (one, other)]),
        ("formulae", [[fence.body for fence in page.fences("math")] for page in (one, other)]),
        ("inline formulae", [sorted({*re.findall(r"\$`(.+?)`\$", page.body)}) for page in (one, other)]),
        ("numbers", [sorted(page.places) for page in (one, other)]),
        ("drawings", [[(fence.name, [*words(fence)]) for fence in page.fences("drawing")] for page in (one, other)]),
    ):
        if parts[0] != parts[1]:
            yield f"{one.path} and {other.path}: {what} differ: {parts[0]} and {parts[1]}"


def _commands(page: CoursePage) -> list[str]:
    """Return the lines of the commands of a page, without comments."""
    lines = [line.partition("  #")[0].rstrip() for fence in page.fences("sh") for line in fence.body.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def _split(text: str, mark: str) -> tuple[str, list[PageSection]]:
    """Split Markdown at its headings of a level: what stands before the first, and each with its body."""
    fences = [found.span() for found in FENCE.finditer(text)]
    starts = [
        found.start()
        for found in re.finditer(rf"^{mark}", text, re.MULTILINE)
        if not any(first <= found.start() < last for first, last in fences)
    ]
    parts = [text[first:last] for first, last in zip(starts, [*starts[1:], len(text)], strict=True)]
    cut = [part.removeprefix(mark).partition("\n") for part in parts]
    return text[: starts[0]] if starts else text, [PageSection(head.strip(), body.strip()) for head, _, body in cut]


def written(value: float, form: str = "") -> str:
    """Return a number as a page writes it: in a format of Python, or with three significant figures."""
    if form or isinstance(value, int):
        return format(value, form or ",")
    return "-" * (value < 0) + figures(abs(value))


def _found(path: Path, numbers: Numbers, name: str) -> float:
    value: Any = numbers.get(name)
    if not isinstance(value, int | float):
        raise DataError(f"{path}: {{{{{name}}}}} is no number of this lesson; known: {', '.join(numbers)}")
    return value
