"""Prepare: from sources to a data folder. Plan the shards, let an engine do every stage, publish.

The folder appears whole, its manifest last. Preparing the same sources in the same way again does nothing; after a
change only the dependent results are made again, and an interrupted preparation goes on where it was. Every document
that is left out is counted under a reason. Memory is bounded by a shard, except for the table that finds duplicates.
"""

from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from trivium.base import plugin
from trivium.base.config import classes, dump
from trivium.base.errors import DataError
from trivium.base.files import fingerprint
from trivium.base.folder import kind_of
from trivium.base.integrity import TAKE, changed
from trivium.corpus.clean import language
from trivium.corpus.code import code
from trivium.corpus.dropped import place
from trivium.corpus.engine import Engine, Local
from trivium.corpus.plan import Plan, Unit, assign, shard_count, units
from trivium.corpus.preparation import Preparation
from trivium.corpus.read.reading import PLAIN
from trivium.corpus.stage.publish import publish
from trivium.corpus.stages import attempt, named
from trivium.corpus.work import Work
from trivium.data.shards import read_manifest, whole
from trivium.token.bpe import ROUND, most
from trivium.token.tokenizer import Tokenizer


def prepare(
    sources: Sequence[str | Path],
    folder: str | Path,
    preparation: Preparation | None = None,
    keep_dropped: str | Path | None = None,
    progress: Callable[[str], None] = lambda step: None,
    engine: Engine = Local(workers=1),
    keep_work: bool = True,
    force: bool = True,
) -> dict[str, Any]:
    """Make a data folder and return its manifest; an existing one that still fits is left as it is.

    `keep_dropped` is a file, or a folder for one, that takes the dropped documents; if it does not exist, the data is
    made again. `keep_work=False` removes the results that would shorten the next preparation. An engine that hands the
    work on returns {"submitted": key}. Without `force`, data of other sources or options stay. Raises DataError for
    sources, options or a folder that cannot be used.
    """
    preparation, work = preparation or Preparation(), Work(folder)
    passed: list[Path] = []
    files = units(sources, preparation.reading, passed)
    inputs = _inputs(files, preparation)
    _check_vocabulary(files, preparation)
    wanted = None if keep_dropped is None else place(keep_dropped)

    def ready() -> dict[str, Any] | None:
        manifest = _existing(work.data)
        _check_count(work, manifest, preparation.shards)
        if manifest is not None and not force:
            _check_same(work.data, manifest["inputs"], inputs)
        if manifest is None or manifest["inputs_hash"] != fingerprint(inputs) or (wanted and not wanted.exists()):
            return None
        if whole(work.data, manifest):
            return {**manifest, "fresh": False}
        work.remove()  # its token shards are links to the same damaged files
        return None

    if found := ready():
        return found
    with work.locked(lambda: progress("waiting for another prepare of this folder")):
        if found := ready():
            return found
        before = work.before()
        known = (_existing(work.data) or {}).get("shards") if not before else len(before)
        plan = Plan(
            sources=[str(source) for source in sources],
            preparation=preparation,
            shards=assign(files, preparation.shards or known or shard_count(files), before),
            inputs=inputs,
            code=fingerprint([code(), inputs["imports"]]) if "imports" in inputs else code(),
            passed=[str(path) for path in passed],
            keep_dropped=None if wanted is None else str(wanted.absolute()),
            keep_work=keep_work,
        )
        work.begin(plan)
        if engine.here:
            try:
                engine.run(work, progress)
            except DataError:
                work.forget()
                raise
            progress("publishing")
            publish(work)
            return {**read_manifest(work.data), "fresh": True}
    engine.run(work, progress)  # without the lock, which the job that publishes takes
    return {"submitted": plan.key}


def tokenizer_of(place: str) -> Tokenizer:
    """Return the tokenizer of a folder; a DataError where it is that of a data folder, and not as it was written."""
    folder = Path(place) if Path(place).is_dir() else Path(place).parent
    if folder.name == "tokenizer" and kind_of(folder.parent) == "a data folder":
        files = read_manifest(folder.parent).get("files", {})
        there = {name: wanted for name, wanted in files.items() if (folder.parent / name).is_file()}
        if (path := changed(folder.parent, there)) is not None:
            raise DataError(f"{path}: changed since trivium wrote it, or damaged; {TAKE}")
    return Tokenizer.load(place)


def perform(folder: Path, stage: str, shard: int, plan: str | None) -> bool:
    """Do one task of a planned preparation; return True for the last one, which publishes the data.

    Raises DataError if nothing is planned, `plan` is not the key of the plan, or there is no such task.
    """
    work = Work(folder)
    if not work.before():
        raise DataError(f"{folder}: nothing is planned here: run `trivium prepare SOURCE -o {folder}` first")
    if plan not in (None, work.plan.key):
        raise DataError(f"{folder}: another preparation was begun here since this job was submitted")
    if stage == "publish":
        with work.locked():
            publish(work)
        return True
    if not 0 <= shard < (count := len(named(stage).tasks(work))):
        raise DataError(f"--shard {shard}: expected 0 to {count - 1}")
    if why := attempt(str(folder), stage, shard):
        raise DataError(why)
    return False


def identify(files: Sequence[Unit]) -> list[Any]:
    """Return the identity of sources: name, size and hash of every file, the versions of the others."""
    return [[Path(unit.path).name, unit.size, unit.hash] for unit in files]


def _inputs(files: list[Unit], preparation: Preparation) -> dict[str, Any]:
    """Return all that the data depend on, for the manifest."""
    options = dump(preparation)
    del options["shards"]
    inputs = {"sources": identify(files), "preparation": options, "version": version("trivium")}
    if preparation.tokenizer not in (None, "bytes"):
        inputs["tokenizer"] = tokenizer_of(preparation.tokenizer).identity
    if against := preparation.contamination.against:
        options["contamination"]["against"] = identify(units(against, preparation.reading))
    if own := plugin.needed(classes(preparation)):
        inputs["imports"] = own
    if preparation.languages is not None:
        inputs["language_by"] = language.method()
    return inputs


def _existing(folder: Path) -> dict[str, Any] | None:
    """Return the manifest of a data folder, None for a new one; a DataError if the folder holds something else."""
    if (folder / "manifest.json").is_file():
        return read_manifest(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder}: exists and is not a data folder; name another one")
    return None


def _check_vocabulary(files: Sequence[Unit], preparation: Preparation) -> None:
    """Refuse a vocabulary that plain files of this size cannot give, before anything is read."""
    asked, size = preparation.vocab_size, sum(file.size for file in files)
    plain = all(file.size and Path(file.path).suffix in (*PLAIN, ".jsonl") for file in files)
    possible = most(2 * size)  # text in UTF-8 has at most twice the bytes of its file
    if plain and preparation.tokenizer is None and asked is not None and asked > possible:
        raise DataError(
            f"vocab_size {asked}: the text is too small, it gives at most {possible // ROUND * ROUND} tokens; leave "
            "the size out to take what it gives"
        )


def _check_same(folder: Path, old: dict[str, Any], new: dict[str, Any]) -> None:
    """Refuse to prepare other sources, or in another way, in place of a data folder."""
    ways = old["preparation"], new["preparation"]
    other = [name for name in ways[1] if ways[0].get(name) != ways[1][name]]
    if not {one[0] for one in old["sources"]} & {one[0] for one in new["sources"]}:
        other = ["sources"]
    if other:
        raise DataError(
            f"{folder}: holds data of other {', '.join(other)}; add --force to prepare it anew (work that still fits "
            "is kept), or name another folder"
        )


def _check_count(work: Work, manifest: dict[str, Any] | None, asked: int | None) -> None:
    """Refuse another number of shards than before: results of the old shards would pass for those of the new ones."""
    begun = len(work.before()) or ((manifest or {}).get("shards") if "sources" in (manifest or {}) else None)
    if asked and begun and asked != begun:
        raise DataError(
            f"{work.data}: begun with {begun} shards, found {asked} asked for; ask for {begun}, or name another folder"
        )
