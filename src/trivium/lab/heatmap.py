"""Heat maps as parts of a page: a picture of one pixel for each pair, names beside it as text of the page.

The reader's own fonts draw the names, so every script is shown that the reader's machine can show.
"""

import base64
import html
import io
import unicodedata
from collections.abc import Sequence

import numpy as np

STYLE = """<style>
.maps { display: grid; gap: .5rem 1.5rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 24rem), 1fr)) }
.maps.small { grid-template-columns: repeat(auto-fill, minmax(min(45%, 13rem), 1fr)) }
.maps svg { width: 100%; max-width: 40rem } .maps text { fill: var(--ink); font: 7px system-ui, sans-serif }
@media print { .maps { grid-template-columns: 1fr 1fr } .maps.small { grid-template-columns: 1fr 1fr 1fr } }
.maps image { image-rendering: pixelated } .maps rect { fill: none; stroke: var(--line) }
</style>"""
CELL = 10
"""The size of a pair, in the units of the drawing."""
WIDEST = 70
"""The most room for a name; the rest of it is cut off."""


def pixels(values: np.ndarray, colours: str) -> bytes:
    """Return values [T, S] between 0 and 1 as a PNG of S x T pixels, transparent where a value is not a number.

    `colours` is the name of a colour map of matplotlib.
    """
    from matplotlib import colormaps
    from matplotlib.image import imsave

    shades = colormaps[colours](np.nan_to_num(values), bytes=True)
    shades[np.isnan(values), 3] = 0
    buffer = io.BytesIO()
    imsave(buffer, shades, format="png")
    return buffer.getvalue()


def heatmap(
    values: np.ndarray, colours: str, rows: Sequence[str] = (), columns: Sequence[str] = (), caption: str = ""
) -> str:
    """Return a heat map of values [T, S], with a name before each row and below each column where they are given."""
    height, width = (CELL * count for count in values.shape)
    left, below = (max([1, *(_width(name) + 3 for name in names)]) for names in (rows, columns))
    data = base64.b64encode(pixels(values, colours)).decode()
    box = f'x="{left}" y="1" width="{width}" height="{height}"'
    parts = [f'<image {box} preserveAspectRatio="none" href="data:image/png;base64,{data}"/><rect {box}/>']
    for at, name in enumerate(rows):
        parts.append(_text(name, left - 2, CELL * (at + 0.75), "end"))
    for at, name in enumerate(columns):
        x, y = left + CELL * (at + 0.72), height + 4
        parts.append(_text(name, x, y, "end", f' transform="rotate(-90 {x:g} {y:g})"'))
    shape = f'viewBox="0 0 {left + width + 1} {height + below + 2}"'
    told = html.escape(caption)
    drawn = f'<svg {shape} role="img" aria-label="{told}">{"".join(parts)}</svg>'
    return f"<figure><figcaption>{told}</figcaption>{drawn}</figure>"


def maps(drawn: Sequence[str], small: bool = False) -> str:
    """Return heat maps side by side, as many as the page has room for."""
    return f'<div class="maps{" small" if small else ""}">{"".join(drawn)}</div>'


def _text(name: str, x: float, y: float, anchor: str, more: str = "") -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}"{more}>{html.escape(_short(name))}</text>'


def _width(name: str) -> float:
    """Return about how wide a name is; letters of East Asia take twice the room."""
    return min(WIDEST, sum(7.5 if unicodedata.east_asian_width(char) in "WF" else 4.5 for char in name))


def _short(name: str) -> str:
    while _width(name) >= WIDEST:
        name = name[:-2] + "\u2026"
    return name
