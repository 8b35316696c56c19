"""Inspect the training data of a run: every position of a row with its token and its target.

Rows come from the same code and in the same order as in training. Red flags (a document with two BOS, a row or an
answer without any loss, an answer whose end is not trained) are searched in the first `LOOKED` rows of the first epoch,
and set the exit code.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from trivium.base.batch import Batch, collate
from trivium.base.errors import ConfigError
from trivium.base.log import result, say, watched
from trivium.base.types import ALIGNED, IGNORE
from trivium.data.loader import Loader
from trivium.data.rows import DocumentRows
from trivium.lab import sheet
from trivium.lab.piece import visible
from trivium.rows.notes import Notes
from trivium.task.feed import open_rows, supervised_rows
from trivium.task.run import count_steps
from trivium.task.start import row_length, start_model
from trivium.token.template import END, MARKERS, begins_turns, end_id
from trivium.token.tokenizer import Tokenizer
from trivium.train.pace import FOREVER
from trivium.train.recipe import Recipe

RED_FLAG = 1
LOOKED = 1000
"""Rows of the first epoch that shares and red flags are counted in."""


@dataclass
class Survey:
    """Counts over the rows of an epoch."""

    rows: int = 0
    of: int = 0
    """The rows of the epoch."""
    packed: int = 0
    documents: int = 0
    places: int = 0
    tokens: int = 0
    trained: int = 0
    whole: int = 0
    """Examples with one target for the whole text, such as a label."""
    flags: Counter[str] = field(default_factory=Counter)
    first: dict[str, int] = field(default_factory=dict)
    """The first sample with each red flag."""

    def lines(self, shortened: str) -> list[tuple[str, str]]:
        """Return the shares as (name, text)."""
        whole = f"; {self.whole:,} texts have one target as a whole" if self.whole else ""
        return [
            ("looked at", f"{self.rows:,} of {self.of:,} rows, {self.documents:,} documents, {self.tokens:,} tokens"),
            ("masked", f"{1 - self.trained / max(1, self.tokens):.1%} of the tokens carry no loss{whole}"),
            ("truncated", shortened),
            ("padded", f"{1 - self.tokens / max(1, self.places):.1%} of the places are padding"),
            (
                "packed",
                f"{self.packed / max(1, self.rows):.1%} of the rows hold several documents, "
                f"{self.documents / max(1, self.rows):.2f} on average",
            ),
        ]


def examine(recipe: Recipe, count: int, start: int, out: Path | None = None) -> int:
    """Print `count` samples of a recipe from sample `start` on, or write them as a page; return the exit code.

    Raise ConfigError where the run ends before `start`.
    """
    model = start_model(recipe)
    tokenizer: Any = model.tokenizer if model.vocabulary.size else None
    length, notes = row_length(recipe, model), Notes()
    if recipe.objective.reads == "documents":
        rows, _ = open_rows(recipe, model, length)
    else:
        rows = supervised_rows(recipe, model, recipe.data.path, length, notes)
    pad, labels = model.vocabulary.pad, getattr(model.config.head, "labels", ())
    loader = Loader(rows, recipe.step_rows(length), recipe.micro_rows or recipe.step_rows(length), pad, recipe.seed)
    if start >= (last := (count_steps(recipe, loader) or FOREVER) * loader.step_rows):
        raise ConfigError(f"--start: the run has {last:,} samples, from 0 on; found {start:,}")
    found = survey(loader, tokenizer, recipe)
    if isinstance(rows, DocumentRows):
        cut = f"{rows.plan.cut:,} documents are cut"
    else:
        cut = (
            "; ".join(f"{number:,} rows {reason}" for reason, number in notes.counts.items())
            or "no row is cut or left out"
        )
    shown = []
    for sample in range(start, min(start + count, last)):
        epoch, index = loader.locate(sample)
        batch = collate([rows.row(epoch, index)], pad, rows.length)
        shown.append((f"sample {sample}: epoch {epoch}, row {index}", batch))
    flags = [f"{flag}: {number:,} times, first in sample {found.first[flag]}" for flag, number in found.flags.items()]
    flags += notes.flags()
    remarks = [*notes.formats(), *notes.lines()]
    for line in remarks:
        say(line)
    if out is None:
        for title, batch in shown:
            result(title)
            for line in table(batch, tokenizer, labels):
                result(line)
            result()
    else:
        drawn = [(title, batch, roles(batch, tokenizer, recipe)) for title, batch in shown]
        processor = model.processor if model.config.pictures else None
        sheet.write(out, drawn, tokenizer, found.lines(cut), flags, labels, remarks, processor)
        say(f"the page is {out}")
    for name, value in found.lines(cut):
        result(f"{name:<10} {value}")
    for flag in flags:
        result(f"RED FLAG: {flag}")
    return RED_FLAG if flags else 0


def survey(loader: Loader, tokenizer: Tokenizer, recipe: Recipe) -> Survey:
    """Count over the first rows of the first epoch, in their training batches."""
    found = Survey(of=loader.rows.size(0))
    size = min(found.of, LOOKED)
    for step in watched(range(-(-size // loader.step_rows)), "looking at rows", "steps"):
        for batch in loader.step(step):
            whole = not batch.targets.keys() <= {*ALIGNED}
            for row in range(len(batch.stream.documents)):
                if found.rows >= size:
                    return found
                sides = [side for side in (batch.enc, batch.dec) if side is not None]
                documents = batch.stream.documents[row]
                found.packed += int(documents.max() > 1)
                found.documents += int(documents.max())
                found.places += sum(side.shape[1] for side in sides)
                found.tokens += sum(int((side.documents[row] > 0).sum()) for side in sides)
                found.trained += int((position_targets(batch, row) != IGNORE).sum())
                for flag in red_flags(batch, tokenizer, recipe, row):
                    found.flags[flag] += 1
                    found.first.setdefault(flag, found.rows)
                found.whole += whole * int(documents.max())
                found.rows += 1
    return found


def table(batch: Batch, tokenizer: Tokenizer, labels: Sequence[str] = ()) -> Iterator[str]:
    """Yield a line for each position of the batch's first row, and a line of facts; `labels` name a task's classes."""
    stream, targets = batch.stream, position_targets(batch)
    documents = stream.documents[0]
    used = int((documents > 0).sum())
    if (source := batch.enc) is not None and source.patches is not None:
        places: Any = source.places
        for number in range(1, int(source.documents[0].max()) + 1):
            rows, columns = places[0][source.documents[0] == number].max(axis=0) + 1
            count = int((source.documents[0] == number).sum())
            yield f"the encoder reads picture {number}: {count} patches, {rows} rows of {columns}"
    if stream.ids is None:
        yield from sheet.whole(batch, labels)
        return
    ids = stream.ids[0]
    if source is not None and source.ids is not None and batch.dec is not None:
        yield "encoder reads: " + " ".join(
            visible(tokenizer, token) for token in source.ids[0][source.documents[0] > 0].tolist()
        )
    yield f"{'column':>6} {'document':>8} {'position':>8}  {'role':<9} {'token':<20} {'must predict':<20} loss"
    who = spoken(ids[:used], documents[:used], tokenizer)
    for column in range(used):
        target = int(targets[column])
        weight = 1.0 if batch.weights is None else float(batch.weights[0][column])
        tag = "tag" in batch.targets
        predicted = "-" if target == IGNORE else labels[target] if tag else visible(tokenizer, target)
        loss = "off" if target == IGNORE else "on" if weight == 1 else f"x {weight:.3g}"
        yield (
            f"{column:>6} {documents[column]:>8} {stream.positions[0][column]:>8}  {who[column]:<9} "
            f"{visible(tokenizer, int(ids[column])):<20} {predicted:<20} {loss}"
        )
    yield from sheet.whole(batch, labels)
    yield from sheet.answers(batch, tokenizer)
    valid = int((targets != IGNORE).sum())
    yield (
        f"{used} tokens in {len(set(documents[:used].tolist()))} documents, {len(ids) - used} padding, "
        f"{valid} targets ({valid / max(used, 1):.0%} of the tokens)"
    )


def position_targets(batch: Batch, row: int = 0) -> np.ndarray:
    """Return the target of each position of a row [T]; IGNORE where there is none."""
    found = next((batch.targets[name] for name in ALIGNED if name in batch.targets), None)
    return np.full(batch.stream.shape[1], IGNORE) if found is None else found[row]  # type: ignore[no-any-return]


def spoken(ids: np.ndarray, documents: np.ndarray, tokenizer: Tokenizer) -> list[str]:
    """Return the role at each position. Text cannot forge special ids, so the markers are exact."""
    markers = {tokenizer.id_of(name): role for role, name in MARKERS.items() if name in tokenizer}
    end = tokenizer.id_of(END) if END in tokenizer else None
    found, role, document = [], "", 0
    for token, where in zip(ids.tolist(), documents.tolist(), strict=True):
        role = "" if where != document else role
        document = where
        role = markers.get(token, role)
        found.append(role)
        role = "" if token == end else role
    return found


def roles(batch: Batch, tokenizer: Tokenizer, recipe: Recipe) -> list[str]:
    """Return the role of each token of the first row, encoder first; without markers, targets are answers."""
    side = batch.enc if batch.enc is not None else batch.dec
    assert side is not None
    if side.ids is None:
        return []
    found = spoken(side.ids[0], side.documents[0], tokenizer)
    if recipe.objective.reads == "conversations" and batch.enc is None and not any(found):
        return ["assistant" if one else "" for one in sheet.learned(batch)]
    return found


def red_flags(batch: Batch, tokenizer: Tokenizer, recipe: Recipe, row: int = 0) -> list[str]:
    """Return the red flags of a row of a batch."""
    stream, targets = batch.stream, position_targets(batch, row)
    documents = stream.documents[row]
    flags = []
    if not (targets != IGNORE).any() and batch.targets.keys() <= {*ALIGNED}:
        flags.append("no position of this row has a loss")
    if stream.ids is None:
        return flags
    vocabulary, talk, end = tokenizer.vocabulary, recipe.objective.reads == "conversations", end_id(tokenizer)
    for document in range(1, int(documents.max()) + 1):
        here = documents == document
        trained = targets[here][targets[here] != IGNORE]
        for side in (batch.enc, batch.dec):
            if side is None or side.ids is None or vocabulary.bos in (None, vocabulary.eos) or not recipe.data.isolate:
                continue
            begins = int((side.ids[row][side.documents[row] == document] == vocabulary.bos).sum())
            if begins > 1 and not (talk and begins_turns(tokenizer)):
                flags.append(f"a document has {begins} BOS tokens")
        if talk and not len(trained):
            flags.append("a conversation has no trained token")
        if talk and len(trained) and end is not None and end not in trained:
            flags.append("a document trains an answer but not its end")
    return flags
