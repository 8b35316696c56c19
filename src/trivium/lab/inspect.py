"""Exactly what a run is trained on: every position of a row with its token and the token it must predict.

Rows come from the same code that training reads, so what is shown is what is learned. Red flags (a document with two
BOS, a row without any loss, an answer whose end is not trained) set the exit code.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from trivium.base.batch import Batch, collate
from trivium.base.log import say
from trivium.base.types import ALIGNED, IGNORE
from trivium.data.loader import Loader
from trivium.task.run import open_rows, row_length, start_model
from trivium.text.template import END, MARKERS
from trivium.text.tokenizer import Tokenizer
from trivium.train.recipe import Recipe, read_recipe

RED_FLAG = 1


def examine(path: Path, overrides: list[str], count: int, start: int) -> int:
    """Print `count` samples of a recipe from sample `start` on; give the exit code."""
    recipe = read_recipe(path, overrides)
    model = start_model(recipe)
    assert model.tokenizer is not None
    rows, _ = open_rows(recipe, model, row_length(recipe, model))
    pad = model.tokenizer.vocabulary.pad
    loader = Loader(rows, 1, 1, pad, recipe.seed)
    flagged = False
    for sample in range(start, start + count):
        epoch, index = loader.locate(sample)
        batch = collate([rows.row(epoch, index)], pad, rows.length)
        say(f"sample {sample}: epoch {epoch}, row {index}")
        for line in table(batch, model.tokenizer):
            say(line)
        flags = red_flags(batch, model.tokenizer, recipe)
        for flag in flags:
            say(f"RED FLAG: {flag}")
        flagged = flagged or bool(flags)
        say()
    return RED_FLAG if flagged else 0


def table(batch: Batch, tokenizer: Tokenizer) -> Iterator[str]:
    """One line for each position of the batch's first row, padding in one line, and a line of facts."""
    stream, targets = batch.stream, positions_targets(batch)
    ids, documents = stream.ids[0], stream.documents[0]
    used = int((documents > 0).sum())
    if batch.enc is not None and batch.dec is not None:
        source = batch.enc
        yield "encoder reads: " + " ".join(map(tokenizer.token, source.ids[0][source.documents[0] > 0]))
    yield f"{'column':>6} {'document':>8} {'position':>8}  {'role':<9} {'token':<20} {'must predict':<20} loss"
    roles = spoken(ids[:used], documents[:used], tokenizer)
    for column in range(used):
        target = int(targets[column])
        weight = 1.0 if batch.weights is None else float(batch.weights[0][column])
        tag = "tag" in batch.targets
        predicted = "-" if target == IGNORE else str(target) if tag else _show(tokenizer, target)
        loss = "off" if target == IGNORE else "on" if weight == 1 else f"x {weight:.3g}"
        yield (f"{column:>6} {documents[column]:>8} {stream.positions[0][column]:>8}  {roles[column]:<9} "
               f"{_show(tokenizer, int(ids[column])):<20} {predicted:<20} {loss}")  # fmt: skip
    for name, values in batch.targets.items():
        if name not in ALIGNED:
            yield f"{name}: {', '.join(str(value.tolist()) for value in values)}"
    valid = int((targets != IGNORE).sum())
    yield (f"{used} tokens in {len(set(documents[:used].tolist()))} documents, {len(ids) - used} padding, "
           f"{valid} targets ({valid / max(used, 1):.0%} of the tokens)")  # fmt: skip


def positions_targets(batch: Batch) -> np.ndarray:
    """What each position of the batch's first row must predict; IGNORE where texts are learned as a whole."""
    found = next((batch.targets[name] for name in ALIGNED if name in batch.targets), None)
    return np.full(batch.stream.ids.shape[1], IGNORE) if found is None else found[0]  # type: ignore[no-any-return]


def spoken(ids: np.ndarray, documents: np.ndarray, tokenizer: Tokenizer) -> list[str]:
    """The role at each position. Control ids cannot be forged by text, so the markers tell it exactly."""
    markers = {tokenizer.id_of(name): role for role, name in MARKERS.items() if name in tokenizer}
    end = tokenizer.id_of(END) if END in tokenizer else None
    roles, role, document = [], "", 0
    for token, where in zip(ids.tolist(), documents.tolist(), strict=True):
        role = "" if where != document else role
        document = where
        role = markers.get(token, role)
        roles.append(role)
        role = "" if token == end else role
    return roles


def red_flags(batch: Batch, tokenizer: Tokenizer, recipe: Recipe) -> list[str]:
    """What is wrong with the batch's first row."""
    stream, targets = batch.stream, positions_targets(batch)
    flags = []
    vocabulary = tokenizer.vocabulary
    documents = stream.documents[0]
    if not (targets != IGNORE).any() and batch.targets.keys() <= {*ALIGNED}:
        flags.append("no position of this row has a loss")
    if vocabulary.bos is not None and recipe.data.isolate:
        for document in range(1, int(documents.max()) + 1):
            begins = int((stream.ids[0][documents == document] == vocabulary.bos).sum())
            if begins > 1 and vocabulary.bos != vocabulary.eos:
                flags.append(f"document {document} has {begins} BOS tokens")
    if recipe.objective.reads == "conversations" and END in tokenizer:
        end = tokenizer.id_of(END)
        for document in range(1, int(documents.max()) + 1):
            trained = targets[documents == document]
            trained = trained[trained != IGNORE]
            if len(trained) and end not in trained:
                flags.append(f"document {document} trains an answer but not its end")
    return flags


def _show(tokenizer: Tokenizer, token: int) -> str:
    text = tokenizer.token(token)
    return text if token in tokenizer.vocabulary.special else repr(text)[1:-1].replace(" ", "\u00b7")
