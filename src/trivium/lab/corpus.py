"""The report of a data folder as a page: its tables, examples of dropped documents, and bars of document lengths."""

import html
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from trivium.corpus.report import facts_of, sections, warnings
from trivium.data.shards import read_manifest
from trivium.lab import page

STYLE = """<style>
.bar { background: var(--bar); height: .8rem } .bars { width: 100% } .bars td:nth-child(3) { width: 75% }
.bars td:first-child { text-align: right }
blockquote { margin: .4rem 0 .8rem 1rem; padding-left: .8rem; border-left: 3px solid var(--line); color: var(--faint);
  white-space: pre-wrap; overflow-wrap: anywhere; font-size: .85rem }
</style>"""


def write_page(folder: Path) -> Path:
    """Write `report.html` into a data folder; return its path."""
    manifest = read_manifest(folder)
    path = folder / "report.html"
    page.write(path, f"The data in {folder.name}", [STYLE, *_parts(manifest)])
    return path


def _parts(manifest: dict[str, Any]) -> Iterator[str]:
    report = manifest["report"]
    *tables, data = sections(manifest)
    yield from (page.paragraph(f"Warning: {text}.") for text in warnings(manifest))
    for section in (data, *tables):
        yield page.heading(section.title)
        if section.title.startswith("Tokens per document"):
            yield _bars(section.rows)
            continue
        yield page.table(section.header, section.rows)
        if section.note:
            yield page.paragraph(section.note)
        if section.title == "Step by step":
            yield from (page.paragraph(f"{one['step']}: {told}") for one in report["steps"] if (told := facts_of(one)))
        if section.title == "Dropped":
            yield from _examples([reason for reason, _ in section.rows], report["examples"])


def _examples(reasons: list[str], examples: dict[str, list[dict[str, str]]]) -> Iterator[str]:
    for number, reason in enumerate(reasons):
        yield f"<details{'' if number else ' open'}><summary>{html.escape(reason)}: examples</summary>"
        for one in examples.get(reason, []):
            where = ":".join(filter(None, (one.get("source"), one.get("id"))))
            yield page.paragraph(f"{where}{', ' + one['detail'] if 'detail' in one else ''}")
            yield f"<blockquote>{html.escape(one['text'])}</blockquote>"
        yield "</details>"


def _bars(rows: Sequence[tuple[str, ...]]) -> str:
    counts = [int(count.replace(",", "")) for _, count in rows]
    bars = "".join(
        f'<tr><td>{size}</td><td>{count:,}</td><td><div class="bar" style="width:{100 * count / max(counts):.1f}%">'
        "</div></td></tr>"
        for (size, _), count in zip(rows, counts, strict=True)
    )
    return page.scrolled(bars, "bars")
