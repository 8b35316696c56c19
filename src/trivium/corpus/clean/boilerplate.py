"""Boilerplate: text that publishers add around a document: licences, metadata, repeated lines.

Each function returns the text without it, or the same object if there is none.
"""

import re
from itertools import groupby, pairwise

HEAD = 60_000
"""Characters within which the header of a Project Gutenberg book ends; the oldest hold a licence of 12,000."""

_START = re.compile(
    r"^\*{3} ?START OF TH(?:E|IS) PROJECT GUTENBERG[^\n]*(?:\n[^\n*]+)?\*{3}[^\n]*$"
    r"|^\*+ ?END[* ]+THE SMALL PRINT![^\n]*END\*+[^\n]*$",
    re.MULTILINE,
)
_END = re.compile(
    r"^\*{3} ?END OF TH(?:E|IS) PROJECT GUTENBERG|^End of (?:th(?:e|is) )?Project Gutenberg", re.MULTILINE
)
_CREDIT = re.compile(
    r"\A\n*(?:Produced by|E-text prepared by|Transcribed from|Transcribed by)\b[^\n]*(?:\n[^\n]+)*(?:\n|\Z)"
)
_MATTER = re.compile(r"\A---\n\w[\w -]*:[^\n]*\n(?:[^\n]*\n){0,300}?(?:---|\.\.\.)(?:\n|\Z)")


def unwrap_book(text: str) -> str:
    """Return a Project Gutenberg text, or several in one file, without header, credits and licence."""
    while "PROJECT GUTENBERG" in text or "Project Gutenberg" in text:
        inside: list[str] = []
        at, limit = 0, HEAD
        while start := _START.search(text, at, min(len(text), at + limit)):
            end = _END.search(text, start.end())
            stop = end.start() if end else len(text)
            # A header may hold two of these lines.
            while again := _START.search(text, start.end(), min(stop, HEAD)):
                start = again
            inside.append(text[start.end() : stop])
            at, limit = end.end() if end else len(text), len(text)
        if not inside:
            end = _END.search(text)
            inside = [text[: end.start()]] if end else []
        books = "\n\n".join(filter(None, (_CREDIT.sub("", part).strip("\n") for part in inside)))
        if not books or books == text:
            break
        text = books
    return text


def drop_front_matter(text: str) -> str:
    """Return a page of a site generator without the metadata between `---` and `---` at its start."""
    while text.startswith("---\n") and (found := _MATTER.match(text)) and text[found.end() :].strip():
        text = text[found.end() :].strip("\n")
    return text


def drop_repeats(lines: list[str], most: int) -> list[str]:
    """Return lines with each run of more than `most` equal ones cut to one; blank lines are left alone."""
    if not any(a == b and a for a, b in pairwise(lines)):
        return lines
    kept: list[str] = []
    for line, run in groupby(lines):
        same = list(run)
        kept += [line] if line and len(same) > most else same
    return kept
