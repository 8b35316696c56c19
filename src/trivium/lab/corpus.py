"""The report of a data folder as a page: what each step took in and gave on, what was dropped, and what is left."""

import html
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trivium.data.shards import read_manifest
from trivium.lab import page

FLOW = ("documents_in", "documents_out", "bytes_in", "bytes_out")
STYLE = """<style>
.bar { background: #7a9cc6; height: .8rem } .bars td:nth-child(3) { width: 60% } .bars td { text-align: right }
blockquote { margin: .4rem 0 .8rem 1rem; padding-left: .8rem; border-left: 3px solid #ddd; color: #444;
  white-space: pre-wrap; overflow-wrap: anywhere; font-size: .85rem }
</style>"""


def write_page(folder: Path) -> Path:
    """Write `report.html` into a data folder."""
    manifest = read_manifest(folder)
    path = folder / "report.html"
    page.write(path, f"The data in {folder.name}", [STYLE, *_parts(manifest)])
    return path


def _parts(manifest: dict[str, Any]) -> Iterator[str]:
    report = manifest["report"]
    steps = {step["step"]: step for step in report["steps"]}
    size = {split: _sum(lines) for split, lines in manifest["splits"].items()}
    documents, tokens, text = (sum(one[key] for one in size.values()) for key in ("documents", "tokens", "bytes"))
    read = steps["read"]
    yield page.paragraph(
        f"{read['documents_out']:,} documents ({_bytes(read['bytes_out'])}) were read, {documents:,} ({_bytes(text)}) "
        f"are left: {tokens:,} tokens of {manifest['vocab_size']:,}, {text / max(1, tokens):.2f} bytes a token."
    )
    yield page.table(
        ("split", "documents", "tokens", "bytes"),
        [(s, *(f"{one[key]:,}" for key in ("documents", "tokens", "bytes"))) for s, one in size.items()],
    )
    yield page.heading("Step by step")
    yield page.table(
        ("step", "documents in", "out", "bytes in", "out", "seconds", "MB/s"), list(_flow(report["steps"]))
    )
    yield page.paragraph("Seconds are of computing, all workers together; MB/s is for one core.")
    for step in report["steps"]:
        if facts := {key: value for key, value in step.items() if key not in ("step", "seconds", *FLOW)}:
            told = ", ".join(f"{key.replace('_', ' ')} {value:,}" for key, value in facts.items())
            yield page.paragraph(f"{step['step']}: {told}")
    yield from _dropped(report)
    if report["mended"]:
        yield page.heading("Mended on the way")
        by_count = sorted(report["mended"].items(), key=lambda item: -item[1])
        yield page.table(("what", "times"), [(reason, f"{count:,}") for reason, count in by_count])
    yield page.heading("Languages")
    yield page.table(("language", "documents", "bytes", "tokens", "bytes a token"), list(_languages(report)))
    yield page.paragraph(f"Told by {report['language_by']}.")
    for split, counts in report["lengths"].items():
        if counts:
            yield page.heading(f"Tokens a document, {split}")
            yield _bars(counts)
    yield from _packing(report["packing"])


def _flow(steps: list[dict[str, Any]]) -> Iterator[tuple[str, ...]]:
    for step in steps:
        size = step.get("bytes_in") or step.get("bytes_out") or step.get("text_bytes")
        if step["step"] == "encode":
            size = step["train_bytes"] + step["valid_bytes"]
        rate = f"{size / step['seconds'] / 1e6:.1f}" if size and step["seconds"] else ""
        yield (step["step"], *(f"{step[key]:,}" if key in step else "" for key in FLOW), f"{step['seconds']:.2f}", rate)


def _dropped(report: dict[str, Any]) -> Iterator[str]:
    by_count = sorted(report["dropped"].items(), key=lambda item: -item[1])
    yield page.heading("Dropped")
    if not by_count:
        yield page.paragraph("Nothing was dropped.")
        return
    yield page.table(("reason", "documents"), [(reason, f"{count:,}") for reason, count in by_count])
    for reason, _ in by_count:
        opened = " open" if reason == by_count[0][0] else ""
        yield f"<details{opened}><summary>{html.escape(reason)}: examples</summary>"
        for one in report["examples"].get(reason, []):
            where = ":".join(filter(None, (one.get("source"), one.get("id"))))
            yield page.paragraph(f"{where}{', ' + one['detail'] if 'detail' in one else ''}")
            yield f"<blockquote>{html.escape(one['text'])}</blockquote>"
        yield "</details>"


def _languages(report: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for name, found in report["languages"].items():
        rate = f"{found['bytes'] / found['tokens']:.2f}" if found["tokens"] else ""
        yield (name, *(f"{found[key]:,}" for key in ("documents", "bytes", "tokens")), rate)


def _bars(counts: dict[str, int]) -> str:
    most = max(counts.values())
    rows = "".join(
        f"<tr><td>up to {int(size):,}</td><td>{count:,}</td><td>"
        f'<div class="bar" style="width:{100 * count / most:.1f}%"></div></td></tr>'
        for size, count in counts.items()
    )
    return f'<table class="bars">{rows}</table>'


def _packing(found: dict[str, Any]) -> Iterator[str]:
    yield page.heading(f"Rows of {found['row']:,}")
    yield page.paragraph(
        f"What packing {found['documents']:,} training documents comes to, each between BOS and EOS. `bestfit` cuts "
        "only what is longer than a row; `concat` fills rows in order and cuts wherever one ends."
    )
    rows = []
    for name in ("bestfit", "concat"):
        plan = found[name]
        row = (
            name,
            f"{plan['rows']:,}",
            f"{plan['waste']:.3%}",
            f"{plan['cut']:,}",
            f"{plan['cut_though_they_fit']:,}",
        )
        rows.append(row)
    yield page.table(("plan", "rows", "empty places", "documents cut", "that would fit"), rows)


def _sum(lines: list[dict[str, Any]]) -> dict[str, int]:
    return {key: sum(line[key] for line in lines) for key in ("documents", "tokens", "bytes")}


def _bytes(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 1e5 else f"{count:,} bytes"
