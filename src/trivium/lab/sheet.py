"""Sheet: batches as a page. Tokens in order, trained ones in colour, all facts of a token where the mouse points."""

import html
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trivium.base.batch import Array, Batch, Stream
from trivium.base.types import ALIGNED, IGNORE
from trivium.image.processor import ImageProcessor
from trivium.lab import page
from trivium.lab.piece import text_of, visible
from trivium.token.tokenizer import Tokenizer

STYLE = """
.row { line-height: 2; margin: .4rem 0 1rem; overflow-wrap: anywhere }
.t { padding: .12rem 0; white-space: pre-wrap; color: var(--faint); border-right: 1px solid var(--line) }
.on { background: var(--good); color: var(--good-ink); border-right-color: var(--good-ink) }
.user { border-bottom: 2px solid #9bc1ee } .assistant { border-bottom: 2px solid #5bb45b }
.system { border-bottom: 2px solid #d9a0d0 } .control { font-size: .8em; color: #b3477f; background: var(--soft) }
.control.on { background: var(--good); color: var(--good-ink) }
.goal { color: var(--good-ink); font-size: .8em; padding: 0 .3rem; white-space: nowrap }
.new { border-left: 3px solid var(--ink); margin-left: .35rem; padding-left: .2rem }
.beside { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 2fr); gap: 0 1.5rem; align-items: center;
  border-top: 1px solid var(--line) } @media (max-width: 40rem) { .beside { grid-template-columns: minmax(0, 1fr) } }
.flag { color: var(--bad); font-weight: 600 }
"""
LEGEND = """\
<p><span class="t">read only</span> · <span class="t on">trained</span> · <span class="t user">user</span> ·
<span class="t assistant">assistant</span> · <span class="t system">system</span> ·
<span class="t control">control</span> · <span class="t new">a document begins</span>; a thin line ends each token;
bytes such as \\xe5 are a part of a character. <span class="goal">→ token</span> is a target that is not the token
behind. Point at a token for its column, document, position, id and target</p>
"""


def write(
    out: Path,
    rows: Sequence[tuple[str, Batch, Sequence[str]]],
    tokenizer: Tokenizer,
    facts: Sequence[tuple[str, str]],
    flags: Sequence[str],
    labels: Sequence[str] = (),
    remarks: Sequence[str] = (),
    processor: ImageProcessor | None = None,
) -> None:
    """Write the page: shares, red flags, and each row (title, batch, roles of the tokens that are read first).

    `labels` name the classes of a task; `remarks` tell how files were read, and what in them is not used. `processor`
    is that of a model of pictures.
    """
    warnings = [f'<p class="flag">RED FLAG: {html.escape(flag)}</p>' for flag in flags] or ["<p>No red flag.</p>"]
    parts = [f"<style>{STYLE}</style>", page.facts(facts), *map(page.paragraph, remarks), *warnings, LEGEND]
    for title, batch, roles in rows:
        seen = processor is not None and batch.enc is not None and batch.enc.patches is not None
        row = _pictures(batch, processor, tokenizer, labels) if seen else _row(batch, roles, tokenizer, labels)
        parts += [page.heading(title), *row]
    page.write(out, "Training data", parts)


def learned(batch: Batch) -> np.ndarray:
    """Return which tokens of the first row are targets (bool [T]): an encoder's own, a decoder's next one."""
    targets = next((batch.targets[name][0] for name in ALIGNED if name in batch.targets), None)
    if targets is None:
        return np.zeros(batch.stream.shape[1], dtype=bool)
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
        parts = [page.paragraph("The encoder reads"), _flow(batch.enc, roles, plain, None, None, None, tokenizer)]
        if targets is not None:  # the targets; the decoder reads the same ids one place later
            ids = np.where(targets == IGNORE, tokenizer.vocabulary.pad, targets)
            documents = np.where(targets == IGNORE, 0, batch.dec.documents[0])
            written = Stream(ids[None], batch.dec.positions, documents[None])
            parts += [
                page.paragraph("The decoder writes"),
                _flow(written, [""] * len(targets), targets != IGNORE, targets, weights, ids, tokenizer),
            ]
    else:
        names = labels if "tag" in batch.targets else ()
        parts = [_flow(batch.stream, roles, learned(batch), targets, weights, _seen(batch), tokenizer, names)]
    parts += map(page.paragraph, (*whole(batch, labels), *answers(batch, tokenizer)))
    return parts


def _pictures(batch: Batch, processor: Any, tokenizer: Tokenizer, labels: Sequence[str]) -> Iterator[str]:
    """Yield each picture of a row beside its tokens, or its targets as a whole."""
    source: Any = batch.enc
    for document in range(1, int(source.documents[0].max()) + 1):
        here = source.documents[0] == document
        levels = processor.levels(source.patches[0][here], source.places[0][here])
        told_of = f"picture {document}: {levels.shape[1]} x {levels.shape[0]} pixels, {int(here.sum())} patches"
        beside = []
        if batch.dec is not None:
            mine = batch.dec.documents[0] == document
            side = Stream(*(part[:, mine] for part in (batch.dec.ids, batch.dec.positions, batch.dec.documents)))
            targets = batch.targets["token"][0][mine]
            weights = None if batch.weights is None else batch.weights[0][mine]
            on, seen = np.append(False, targets[:-1] != IGNORE), np.append(side.ids[0][1:], IGNORE)
            beside.append(_flow(side, [""] * len(on), on, targets, weights, seen, tokenizer))
        whole_ones = ((name, values) for name, values in batch.targets.items() if name not in ALIGNED)
        beside += [page.paragraph(f"{name}: {told(name, values[document - 1], labels)}") for name, values in whole_ones]
        yield f'<div class="beside">{page.photo(levels, told_of)}<div>{"".join(beside)}</div></div>'


def _flow(
    stream: Stream,
    roles: Sequence[str],
    on: Array,
    targets: Array,
    weights: Array,
    seen: Array,
    tokenizer: Tokenizer,
    labels: Sequence[str] = (),
) -> str:
    ids, documents, positions = stream.ids[0], stream.documents[0], stream.positions[0]
    spans, before = [], 0
    for column in np.flatnonzero(documents).tolist():
        token, document = int(ids[column]), int(documents[column])
        facts = {"t": True, roles[column]: True, "on": column < len(on) and on[column]}
        facts |= {"control": token in tokenizer.vocabulary.special, "new": document != before}
        names, before = [name for name, holds in facts.items() if name and holds], document
        about = f"column {column}, document {document}, position {positions[column]}, id {token}"
        about += f", {roles[column]}" if roles[column] else ""
        goal = ""
        if targets is not None:
            weight = 1.0 if weights is None else float(weights[column])
            if (target := int(targets[column])) == IGNORE:
                about += ", loss off"
            else:
                goal = labels[target] if labels else visible(tokenizer, target)
                about += f", loss on: must predict {goal}" + ("" if labels else f" (id {target})")
                about += f", weight {weight:.3g}" if weight != 1 else ""
                if not labels and target == seen[column]:
                    goal = ""
        text = html.escape(text_of(tokenizer, token).replace("\n", "\u21b5\n"))
        spans.append(f'<span class="{" ".join(names)}" title="{html.escape(about)}">{text}</span>')
        spans.append(f'<span class="goal">\u2192 {html.escape(goal)}</span>' if goal else "")
    padding = int((documents == 0).sum())
    return f'<div class="row">{"".join(spans)}{f" <small>+ {padding} padding</small>" if padding else ""}</div>'


def _seen(batch: Batch) -> Array:
    """Return the target [T] that a reader sees without being told: a decoder's next token, else the token itself."""
    ids, documents = batch.stream.ids[0], batch.stream.documents[0]
    if batch.dec is None:
        return ids
    return np.append(np.where(documents[1:] == documents[:-1], ids[1:], IGNORE), IGNORE)
