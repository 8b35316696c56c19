"""The rows of a run: documents of data folders, conversations, or the records of a task."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from trivium import api
from trivium.base.config import dump
from trivium.base.errors import DataError
from trivium.base.files import fingerprint, sha256
from trivium.base.log import say
from trivium.base.seeds import mix
from trivium.data.mixture import Mixture
from trivium.data.rows import DocumentRows, Rows, Tail
from trivium.data.shards import Corpus, read_manifest
from trivium.image.lines.line import is_lines
from trivium.objective.instruct import Instruct
from trivium.rows.lines import sources
from trivium.rows.notes import Notes
from trivium.rows.record import KEPT
from trivium.rows.supervised import conversation_rows
from trivium.rows.table import PICTURES
from trivium.task.task import by_objective
from trivium.token.tokenizer import Tokenizer
from trivium.train.recipe import Recipe

WHAT = {"cut": "shortened", "resized": "kept"}
"""What happens to a row, by the first word of the reason under which it is counted."""


def open_rows(
    recipe: Recipe, model: api.Model, length: int, notes: Notes | None = None
) -> tuple[Rows, tuple[Rows, int | None] | None]:
    """Return the rows to train on, and the rows to evaluate on with the bytes of their text; None if there are none.

    `notes` are those of `supervised_rows` on the files to train on.
    """
    data, objective = recipe.data, recipe.objective
    if objective.reads != "documents":
        rows = supervised_rows(recipe, model, data.path, length, notes)
        plain = recipe.model_copy(update={"data": data.replace(augment=None)})
        return rows, (supervised_rows(plain, model, data.valid, length), None) if data.valid else None
    tokenizer = model.tokenizer
    train, valid = ([open_corpus(path, split, tokenizer) for path in data.path] for split in ("train", "valid"))

    def make(corpus: Corpus, seed: int) -> Rows:
        tail: Tail = data.tail if corpus.split == "train" else "pad"
        rows = DocumentRows(corpus, objective, tokenizer.vocabulary, length, seed, data.packing, data.isolate, tail)
        if rows.dropped:
            say(f"dropped {rows.dropped:,} tokens of {corpus.folder}, {corpus.split}: they do not fill the last row")
        return rows

    valid = [corpus for corpus in valid if len(corpus)]
    text_bytes = sum(corpus.bytes for corpus in valid) if objective.covers else None
    rows = blend(train, make, recipe.seed, data.weights)
    return rows, (blend(valid, make, recipe.seed), text_bytes) if valid else None


def open_corpus(folder: str | Path, split: str, tokenizer: Tokenizer) -> Corpus:
    """Open a split of a data folder; a DataError says that another tokenizer encoded it."""
    corpus = Corpus(folder, split)
    if corpus.manifest["tokenizer"] != tokenizer.identity:
        raise DataError(
            f"{folder}: encoded with another tokenizer than the model's; prepare it again with `--tokenizer MODEL`"
        )
    return corpus


def blend(
    corpora: Sequence[Corpus], make: Callable[[Corpus, int], Rows], seed: int, weights: Sequence[float] = ()
) -> Rows:
    """Return the rows of one corpus, or mix several by weight, each with a seed of its own."""
    if len(corpora) == 1:
        return make(corpora[0], seed)
    return Mixture([make(corpus, mix(seed, at)) for at, corpus in enumerate(corpora)], weights, seed)


def supervised_rows(
    recipe: Recipe, model: api.Model, paths: Sequence[str], length: int, notes: Notes | None = None
) -> Rows:
    """Return the rows of files, as conversations or as the records of a task.

    What was left out or cut is told. What else there is to tell stands in `notes`, and is told where none are given.
    """
    data, objective = recipe.data, recipe.objective
    kept = Notes() if notes is None else notes
    kept.words = isinstance(objective, Instruct)
    rows: Rows
    if isinstance(objective, Instruct):
        start = model.layout().start if model.config.family == "encoder_decoder" else None
        given = (length, recipe.seed, data.packing, start, data.rows, data.too_long)
        rows, counts = conversation_rows(paths, model.tokenizer, objective, *given, kept, model.forced.get("first"))
    else:
        rows, counts = by_objective(objective).open(model, paths, recipe, length, kept)
    for reason, count in sorted(counts.items(), key=lambda item: item[0].startswith("cut")):
        if reason in KEPT:
            kept.told[reason] += count
            continue
        what = WHAT.get(reason.partition(" ")[0].rstrip(":"), "dropped")
        say(f"{what} {count:,} rows: {reason}")
        kept.counts[f"{what}: {reason}"] += count
    if notes is None:
        kept.tell()
    return rows


def data_identity(recipe: Recipe, named: str = "") -> str:
    """Return the hash of the data of a run: of its manifests, or of its files and those that their rows name.

    `named` is the hash of the latter, from the notes of the reading.
    """
    if recipe.objective.reads == "documents":
        found = [str(read_manifest(path)["dataset_id"]) for path in recipe.data.path]
        return found[0] if len(found) == 1 else fingerprint([found, dump(recipe.data.weights)])
    files: list[Any] = []
    for path in map(Path, recipe.data.path):
        if is_lines(path):
            files.append([str(path), *sources(recipe.data.rows.lines)])
            continue
        if path.is_dir():  # of pictures, which its rows name
            inside = [one for one in sorted(path.rglob("*")) if one.suffix.lower() in (*PICTURES, ".txt")]
            texts = [(str(one.relative_to(path)), sha256(one) if one.suffix == ".txt" else "") for one in inside]
            files.append([path.name, texts])
            continue
        if not path.is_file():
            raise DataError(f"{path}: no such file of rows")
        files.append([path.name, sha256(path)])
    return fingerprint([*files, named] if named else files)
