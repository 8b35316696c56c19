"""Pages: where the lines of a printed page stand, by the ink in each row and column. Knows no letters.

A page has dark signs on lighter paper, in lines from left to right; it may be turned by a few degrees. Columns of text
are told by wide gaps. Tables with rules, photographs and curved pages are not for this.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from trivium.base.plugin import extra
from trivium.image.processor import FILTERS

STEEPEST = 3.0
"""The most degrees by which a page may be turned."""
SMALLEST = 6
"""The least pixels of the height of a line."""
NEEDS = "reading pages (extra image)"
BICUBIC, BOX = FILTERS["bicubic"], FILTERS["box"]


class Box(NamedTuple):
    """The place of a line in pixels of the straightened page; right and bottom lie behind it."""

    left: int
    top: int
    right: int
    bottom: int


class FoundLine(NamedTuple):
    """A line of a page: its place, and its grey picture uint8 [H, W] with some paper around it."""

    box: Box
    image: np.ndarray


def found_lines(page: np.ndarray, widest: float = 36.0) -> Iterator[FoundLine]:
    """Yield the lines of a grey page uint8 [H, W] from top to bottom, and of one height from left to right.

    A line that is more than `widest` times as wide as high is cut at gaps between its words.
    """
    page = straight(page)
    ink = inked(page)
    for top, bottom in _runs(ink.sum(axis=1) > 0.0, gap=1, least=SMALLEST):
        for left, right in _columns(ink[top:bottom].sum(axis=0) > 0, bottom - top):
            rows = np.flatnonzero(ink[top:bottom, left:right].any(axis=1))
            high, low = top + int(rows[0]), top + int(rows[-1]) + 1
            if low - high < SMALLEST:
                continue
            for start, stop in _pieces(ink[high:low, left:right].sum(axis=0) > 0, widest * (low - high)):
                box = Box(left + start, high, left + stop, low)
                yield FoundLine(box, _cut(page, box))


def straight(page: np.ndarray) -> np.ndarray:
    """Return a page that was turned by up to 3 degrees, turned back: its rows of ink are then the sharpest."""
    picture = extra("PIL.Image", NEEDS).fromarray(page)
    small = picture.reduce(max(1, page.shape[1] // 600))
    dark = extra("PIL.Image", NEEDS).fromarray((inked(np.asarray(small)) * 255).astype(np.uint8))

    def sharpness(angle: float) -> float:
        rows = np.asarray(dark.rotate(angle, BICUBIC), dtype=np.float64).sum(axis=1)
        return float(np.square(np.diff(rows)).sum())

    best = max(np.arange(-STEEPEST, STEEPEST + 0.01, 0.25), key=sharpness)
    if abs(best) < 0.2 or sharpness(best) < 1.05 * sharpness(0.0):
        return page
    paper = int(np.median(page))
    return np.asarray(picture.rotate(float(best), BICUBIC, expand=True, fillcolor=paper))


def inked(page: np.ndarray) -> np.ndarray:
    """Return which pixels are ink, bool [H, W]: darker than the paper around them by more than noise.

    The limit between dark and light is Otsu's (1979): it leaves both sides as even as can be.
    """
    level = page.astype(np.float32)
    height, width = page.shape
    rough = extra("PIL.Image", NEEDS).fromarray(page).resize((-(-width // 32), -(-height // 32)), BOX)
    paper = np.asarray(rough.resize((width, height), BICUBIC), dtype=np.float32)
    darkness = np.clip(paper - level + 32, 0, 255).astype(np.uint8)
    counts = np.bincount(darkness.ravel(), minlength=256).astype(np.float64)
    below, levels = np.cumsum(counts), np.arange(256)
    sums = np.cumsum(counts * levels)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (sums[-1] * below / below[-1] - sums) ** 2 / (below * (below[-1] - below))
    limit = int(np.nan_to_num(between, posinf=0.0).argmax())
    ink = darkness > max(limit, 48)
    padded = np.pad(ink, 1)
    around = sum(padded[y : y + height, x : x + width].astype(np.uint8) for y in range(3) for x in range(3))
    return ink & (around > 2)  # a speck alone is noise


def _runs(there: np.ndarray, gap: int, least: int) -> list[tuple[int, int]]:
    """Return [start, stop) of the runs of True, joined over gaps of up to `gap`, without those shorter than `least`."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], there.astype(np.int8), [0]])))
    joined: list[tuple[int, int]] = []
    for start, stop in edges.reshape(-1, 2).tolist():
        if joined and start - joined[-1][1] <= gap:
            joined[-1] = (joined[-1][0], stop)
        else:
            joined.append((start, stop))
    return [(start, stop) for start, stop in joined if stop - start >= least]


def _columns(there: np.ndarray, height: int) -> list[tuple[int, int]]:
    """Return the parts of a row of text that wide gaps separate, as columns of a page are."""
    return _runs(there, gap=3 * height, least=2)


def _pieces(there: np.ndarray, most: float) -> list[tuple[int, int]]:
    """Return parts of a line of at most `most` pixels, cut in the widest gap of the last third of each."""
    parts, start, end = [], 0, len(there)
    while end - start > most:
        first, last = start + int(most * 2 / 3), start + int(most)
        gaps = _runs(~there[first:last], gap=0, least=1) or [(last - first - 1, last - first)]
        left, right = max(gaps, key=lambda gap: gap[1] - gap[0])
        parts.append((start, first + left))
        start = first + right
    return [*parts, (start, end)]


def _cut(page: np.ndarray, box: Box) -> np.ndarray:
    """Return a line with paper around it: a fifth of its height, as drawn lines have."""
    some = max(1, round(0.2 * (box.bottom - box.top)))
    inside = page[max(0, box.top - some) : box.bottom + some, max(0, box.left - some) : box.right + some]
    return np.ascontiguousarray(inside)
