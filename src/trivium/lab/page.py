"""A page in one HTML file: text, tables and pictures, without scripts and without links to other places."""

import base64
import html
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from trivium.base.errors import TriviumError
from trivium.base.files import write_text
from trivium.base.log import say

STYLE = """
:root { color-scheme: light dark; --ink: #222; --faint: #666; --line: #ddd; --soft: #f4f4f4; --paper: #fff }
:root { --good: #c9efc9; --good-ink: #063; --bad: #b00; --bar: #7a9cc6 }
@media (prefers-color-scheme: dark) { :root {
  --ink: #ddd; --faint: #999; --line: #444; --soft: #2a2a2a; --paper: #181818;
  --good: #174a2a; --good-ink: #b8eec8; --bad: #ff8080; --bar: #4f74a3 } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
  color: var(--ink); background: var(--paper) }
h1 { font-size: 1.6rem } h2 { font-size: 1.2rem; margin-top: 2rem } h1, h2, p, summary { overflow-wrap: anywhere }
.scroll { overflow-x: auto; margin: 1rem 0 } table { border-collapse: collapse }
th, td { padding: .3rem .8rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap }
th:first-child, td:first-child { text-align: left; white-space: normal; min-width: 6rem }
th { background: var(--soft); font-weight: 600 }
.facts td, .facts th { text-align: left; white-space: normal; vertical-align: top; overflow-wrap: anywhere }
.facts td + td { min-width: 7rem } .facts td:first-child { min-width: 3rem }
figure { margin: 1rem 0 } figcaption { color: var(--faint); font-size: .85rem }
figure { overflow-x: auto } img { max-width: 100%; min-width: 34rem; background: #fff }
code { background: var(--soft); padding: .1rem .3rem }
.piece { white-space: nowrap } .photo image { image-rendering: pixelated }
.photo { display: block; outline: 1px solid var(--line) }
@media (max-width: 40rem) { body { margin: 1rem auto } h1 { font-size: 1.3rem } th, td { padding: .3rem .5rem } }
@media print { :root { color-scheme: light; --ink: #000; --faint: #444; --line: #bbb; --soft: #eee; --paper: #fff;
  --good: #c9efc9; --good-ink: #063; --bad: #b00 }
  body { max-width: none; margin: 0; font-size: 11pt; print-color-adjust: exact; -webkit-print-color-adjust: exact }
  h2 { break-after: avoid } tr, figure, img, svg { break-inside: avoid }
  img { min-width: 0 } .scroll, figure { overflow: visible } td, th { white-space: normal !important } }
"""


def heading(text: str) -> str:
    """Return a heading."""
    return f"<h2>{html.escape(text)}</h2>"


def paragraph(text: str) -> str:
    """Return a paragraph of plain text."""
    return f"<p>{html.escape(text)}</p>"


def pieces(names: Sequence[str]) -> str:
    """Return short texts in a row, each with its number, in boxes."""
    boxes = (
        f'<span class="piece"><small>{at}</small><code>{html.escape(name)}</code></span>'
        for at, name in enumerate(names)
    )
    return f"<p>{' '.join(boxes)}</p>"


def scrolled(body: str, kind: str = "") -> str:
    """Return the rows of a table, which scrolls in itself where it is wider than the page."""
    return f'<div class="scroll"><table class="{kind}">{body}</table></div>'


def table(header: Sequence[str], rows: Sequence[Sequence[object]], kind: str = "") -> str:
    """Return a table; the first column is text, the others are numbers, or texts in one of the `kind` "facts"."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in header)
    return scrolled(f"<tr>{head}</tr>{_rows(rows)}", kind)


def facts(rows: Sequence[tuple[str, str]]) -> str:
    """Return a table of names and texts."""
    return scrolled(_rows(rows), "facts")


def _rows(rows: Sequence[Sequence[object]]) -> str:
    return "".join("<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)


def picture(path: Path, caption: str) -> str:
    """Return a PNG file, embedded."""
    return image(path.read_bytes(), caption)


def image(png: bytes, caption: str) -> str:
    """Return a PNG, embedded."""
    data = base64.b64encode(png).decode()
    return f'<figure><img alt="{html.escape(caption)}" src="data:image/png;base64,{data}"></figure>'


def png(levels: np.ndarray) -> bytes:
    """Return levels uint8 [H, W, C] as a PNG; C is 1 (grey), 3, or 4 with transparency."""
    from matplotlib.image import imsave

    buffer = io.BytesIO()
    imsave(buffer, np.repeat(levels, 3, axis=2) if levels.shape[2] == 1 else levels, format="png")
    return buffer.getvalue()


def photo(levels: np.ndarray, caption: str, over: np.ndarray | None = None) -> str:
    """Return a picture as it is, its pixels seen; `over` lies on it, uint8 [h, w, 4], stretched to its size."""
    height, width = levels.shape[:2]
    box, told = f'width="{width}" height="{height}" preserveAspectRatio="none"', html.escape(caption)
    drawn = [png(one) for one in (levels, over) if one is not None]
    links = (f"data:image/png;base64,{base64.b64encode(one).decode()}" for one in drawn)
    images = "".join(f'<image {box} href="{link}"/>' for link in links)
    shape = f'viewBox="0 0 {width} {height}" style="width: min(100%, {max(width * 2, 160)}px)"'
    drawing = f'<svg class="photo" {shape} role="img" aria-label="{told}">{images}</svg>'
    return f"<figure>{drawing}<figcaption>{told}</figcaption></figure>"


def replaceable(path: Path, begins: bytes) -> None:
    """Say that a page or picture is replaced; raise TriviumError where the file that is there is none.

    `begins` is how such a file begins.
    """
    if not path.exists():
        return
    if not path.is_file() or not path.read_bytes().startswith(begins):
        raise TriviumError(f"{path}: exists and is something else; name another file")
    say(f"{path} is replaced")


def write(path: Path, title: str, parts: Sequence[str]) -> None:
    """Write the page from its HTML parts, whole or not at all."""
    name = html.escape(title)
    sized = '<meta name="viewport" content="width=device-width, initial-scale=1">'
    head = f'<!doctype html><html lang="en"><meta charset="utf-8">{sized}<title>{name}</title><style>{STYLE}</style>'
    replaceable(path, b"<!doctype html")
    write_text(path, f"{head}<h1>{name}</h1>" + "\n".join(parts) + "</html>\n")
