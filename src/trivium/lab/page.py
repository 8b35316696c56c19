"""A page in one HTML file: text, tables and pictures, without scripts and without links to other places."""

import base64
import html
from collections.abc import Sequence
from pathlib import Path

from trivium.base.errors import TriviumError
from trivium.base.files import write_text
from trivium.base.log import say

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
h1 { font-size: 1.6rem } h2 { font-size: 1.2rem; margin-top: 2rem }
table { border-collapse: collapse } th, td { padding: .3rem .8rem; border-bottom: 1px solid #ddd; text-align: right }
td + td { white-space: nowrap }
th:first-child, td:first-child { text-align: left } th { background: #f6f6f6; font-weight: 600 }
img { max-width: 100% } code { background: #f4f4f4; padding: .1rem .3rem }
"""


def heading(text: str) -> str:
    """Return a heading."""
    return f"<h2>{html.escape(text)}</h2>"


def paragraph(text: str) -> str:
    """Return a paragraph of plain text."""
    return f"<p>{html.escape(text)}</p>"


def pieces(names: Sequence[str]) -> str:
    """Return short texts in a row, each with its number, in boxes."""
    boxes = (f"<small>{at}</small><code>{html.escape(name)}</code>" for at, name in enumerate(names))
    return f"<p>{' '.join(boxes)}</p>"


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table; the first column is text, the others are numbers."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in header)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def picture(path: Path, caption: str) -> str:
    """Return a PNG file, embedded."""
    return image(path.read_bytes(), caption)


def image(png: bytes, caption: str) -> str:
    """Return a PNG, embedded."""
    data = base64.b64encode(png).decode()
    return f'<figure><img alt="{html.escape(caption)}" src="data:image/png;base64,{data}"></figure>'


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
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{name}</title><style>{STYLE}</style>'
    replaceable(path, b"<!doctype html")
    write_text(path, f"{head}<h1>{name}</h1>" + "\n".join(parts) + "</html>\n")
