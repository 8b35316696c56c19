"""Sheet: batches as a page. Tokens in order, trained ones in colour, all facts of a token where the mouse points."""

import html
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from trivium.base.batch import Array, Batch, Stream
from trivium.base.types import ALIGNED, IGNORE
from trivium.lab import page
from trivium.token.tokenizer import Tokenizer

STYLE = """
.row { line-height: 1.9; margin: .4rem 0 1rem } .t { padding: .12rem 0; white-space: pre-wrap; color: #777 }
.on { background: #c9efc9; color: #063; font-weight: 600 } .user { border-bottom: 2px solid #9bc1ee }
.assistant { border-bottom: 2px solid #5bb45b } .system { border-bottom: 2px solid #d9a0d0 }
.control { font-size: .8em; color: #a05; background: #faf0f5 } .control.on { background: #c9efc9 }
.new { border-left: 3px solid #444; margin-left: .35rem; padding-left: .2rem } .flag { color: #b00; font-weight: 600 }
.facts td { text-align: left }
"""
LEGEND = """\
<p><span class="t">read only</span> · <span class="t on">trained</span> · <span class="t user">user</span> ·
<span class="t assistant">assistant</span> · <span class="t system">system</span> ·
<span class="t control">control</span> · <span class="t new">a document begins</span>;
point at a token for its column, document, position, id and loss</p>
"""


def write(
    out: Path,
    rows: Sequence[tuple[str, Batch, Sequence[str]]],
    tokenizer: Tokenizer,
    facts: Sequence[tuple[str, str]],
    flags: Sequence[str],
    labels: Sequence[str] = (),
) -> None:
    """Write the page: shares, red flags, and each row (title, batch, roles of the tokens that are read first)."""
    lines = "".join(f"<tr><td>{html.escape(name)}</td><td>{html.escape(value)}</td></tr>" for name, value in facts)
    warnings = [f'<p class="flag">RED FLAG: {html.escape(flag)}</p>' for flag in flags] or ["<p>No red flag.</p>"]
    parts = [f"<style>{STYLE}</style>", f'<table class="facts">{lines}</table>', *warnings, LEGEND]
    for title, batch, roles in rows:
        parts += [page.heading(title), *_row(batch, roles, tokenizer, labels)]
    page.write(out, "Training data", parts)


def learned(batch: Batch) -> np.ndarray:
    """Return which tokens of the first row are targets (bool [T]): an encoder's own, a decoder's next one."""
    targets = next((batch.targets[name][0] for name in ALIGNED if name in batch.targets), None)
    if targets is None:
        return np.zeros(batch.stream.ids.shape[1], dtype=bool)
    on: np.ndarray = targets != IGNORE
    return on if batch.dec is None or "tag" in batch.targets else np.append(False, on[:-1])


def whole(batch: Batch, labels: Sequence[str]) -> list[str]:
    """Return the targets of whole texts in words, a line for each name."""
    found = {name: values for name, values in batch.targets.items() if name not in ALIGNED}
    return [f"{name}: {', '.join(told(name, value, labels) for value in values)}" for name, values in found.items()]


def told(name: str, value: np.ndarray, labels: Sequence[str]) -> str:
    """Return a target of a whole text in words: its label, all of its labels, or its numbers."""
    if name != "label":
        return str(value.tolist())
    if value.dtype.kind == "f":
        return ", ".join(f"{one:g}" for one in value)
    found = np.flatnonzero(value).tolist() if value.ndim else [int(value)]
    return " and ".join(labels[i] for i in found) or "none"


def answers(batch: Batch, tokenizer: Tokenizer) -> list[str]:
    """Return a line with the text of each answer that is a span of the first row."""
    if "start" not in batch.targets:
        return []
    ids, documents = batch.stream.ids[0], batch.stream.documents[0]
    begins = [int(np.flatnonzero(documents == i)[0]) for i in range(1, int(documents.max()) + 1)]
    spans = zip(begins, batch.targets["start"].tolist(), batch.targets["end"].tolist(), strict=True)
    texts = [repr(tokenizer.decode(ids[at + a : at + b + 1].tolist())) if b else "none" for at, a, b in spans]
    return [f"answer: {', '.join(texts)}"]


def _row(batch: Batch, roles: Sequence[str], tokenizer: Tokenizer, labels: Sequence[str]) -> list[str]:
    targets = next((batch.targets[name][0] for name in ALIGNED if name in batch.targets), None)
    weights = None if batch.weights is None else batch.weights[0]
    plain = np.zeros(0, dtype=bool)
    if batch.enc is not None and batch.dec is not None:
        parts = [page.paragraph("The encoder reads"), _flow(batch.enc, roles, plain, None, None, tokenizer)]
        if targets is not None:  # the targets; the decoder reads the same ids one place later
            ids = np.where(targets == IGNORE, tokenizer.vocabulary.pad, targets)
            documents = np.where(targets == IGNORE, 0, batch.dec.documents[0])
            written = Stream(ids[None], batch.dec.positions, documents[None])
            parts += [
                page.paragraph("The decoder writes"),
                _flow(written, [""] * len(targets), targets != IGNORE, targets, weights, tokenizer),
            ]
    else:
        parts = [_flow(batch.stream, roles, learned(batch), targets, weights, tokenizer)]
    parts += map(page.paragraph, (*whole(batch, labels), *answers(batch, tokenizer)))
    return parts


def _flow(stream: Stream, roles: Sequence[str], on: Array, targets: Array, weights: Array, tokenizer: Tokenizer) -> str:
    ids, documents, positions = stream.ids[0], stream.documents[0], stream.positions[0]
    spans, before = [], 0
    for column in np.flatnonzero(documents).tolist():
        token, document = int(ids[column]), int(documents[column])
        facts = {"t": True, roles[column]: True, "on": column < len(on) and on[column]}
        facts |= {"control": token in tokenizer.vocabulary.special, "new": document != before}
        names, before = [name for name, holds in facts.items() if name and holds], document
        about = f"column {column}, document {document}, position {positions[column]}, id {token}"
        about += f", {roles[column]}" if roles[column] else ""
        if targets is not None:
            weight = 1.0 if weights is None else float(weights[column])
            target = int(targets[column])
            about += ", loss off" if target == IGNORE else f", loss on: must predict {target}"
            about += f", weight {weight:.3g}" if weight != 1 and target != IGNORE else ""
        text = html.escape(tokenizer.token(token).replace("\ufffd", "\u25ab"))  # half a character is a small square
        spans.append(f'<span class="{" ".join(names)}" title="{html.escape(about)}">{text}</span>')
    padding = int((documents == 0).sum())
    return f'<div class="row">{"".join(spans)}{f" <small>+ {padding} padding</small>" if padding else ""}</div>'
