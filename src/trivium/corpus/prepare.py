"""From sources to a data folder: plan the shards, have every stage done by an engine, publish.

The folder appears whole, its manifest last; preparing the same sources the same way again does nothing, and after a
change only what depends on it is done. An interrupted preparation goes on where it was. Every document that is left out
is counted under a reason. Memory is bounded by a shard, but for the table that duplicates are found by.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from trivium.base import plugin
from trivium.base.config import classes, dump
from trivium.base.errors import DataError
from trivium.base.files import fingerprint
from trivium.corpus.clean import language
from trivium.corpus.dropped import place
from trivium.corpus.engine import Engine, Local
from trivium.corpus.plan import Plan, Unit, Work, assign, code, shard_count, units
from trivium.corpus.preparation import Preparation
from trivium.corpus.stage.publish import finish
from trivium.corpus.stages import attempt, named
from trivium.data.shards import read_manifest, whole
from trivium.token.tokenizer import Tokenizer


def prepare(
    sources: Sequence[str | Path],
    folder: str | Path,
    preparation: Preparation | None = None,
    keep_dropped: str | Path | None = None,
    progress: Callable[[str], None] = lambda step: None,
    engine: Engine = Local(workers=1),
    keep_work: bool = True,
) -> dict[str, Any]:
    """Make a data folder and give its manifest; one that is there and still fits is left as it is.

    `keep_dropped` is a file, or a folder for one, that gets the documents left out; where it is not there yet, the
    data is made again. Without `keep_work` nothing is left that would make the next preparation shorter.
    """
    preparation, work = preparation or Preparation(), Work(folder)
    counts: Counter[str] = Counter()
    files = units(sources, counts)
    inputs = _inputs(files, preparation)
    wanted = None if keep_dropped is None else place(keep_dropped)

    def ready() -> dict[str, Any] | None:
        manifest = _there(work.data)
        _same_count(work, manifest, preparation.shards)
        if manifest is None or manifest["inputs_hash"] != fingerprint(inputs) or (wanted and not wanted.exists()):
            return None
        if whole(work.data, manifest):
            return {**manifest, "fresh": False}
        work.remove()  # its token shards are the same files
        return None

    if found := ready():
        return found
    with work.locked(lambda: progress("waiting for another prepare of this folder")):
        if found := ready():
            return found
        before = work.before()
        known = (_there(work.data) or {}).get("shards") if not before else len(before)
        count = preparation.shards or known or shard_count(files)
        plan = Plan(
            sources=[str(source) for source in sources],
            preparation=preparation,
            shards=assign(files, count, before),
            inputs=inputs,
            code=fingerprint([code(), inputs["imports"]]) if "imports" in inputs else code(),
            counts=counts,
            keep_dropped=None if wanted is None else str(wanted.absolute()),
            keep_work=keep_work,
        )
        work.begin(plan)
        if engine.here:
            engine.run(work, progress)
            progress("publishing")
            finish(work)
            return {**read_manifest(work.data), "fresh": True}
    engine.run(work, progress)  # without the lock, which the job that publishes takes
    return {"submitted": plan.key}


def perform(folder: Path, stage: str, shard: int, plan: str | None) -> bool:
    """Do one task of a preparation that was planned; True if it was the last one, which publishes the data."""
    work = Work(folder)
    if not work.before():
        raise DataError(f"{folder}: nothing is planned here: run `trivium prepare SOURCE -o {folder}` first")
    if plan not in (None, work.plan.key):
        raise DataError(f"{folder}: another preparation was begun here since this job was submitted")
    if stage == "publish":
        with work.locked():
            finish(work)
        return True
    if not 0 <= shard < (count := len(named(stage).tasks(work))):
        raise DataError(f"--shard {shard}: expected 0 to {count - 1}")
    if why := attempt(str(folder), stage, shard):
        raise DataError(why)
    return False


def identify(sources: Sequence[str | Path]) -> list[Any]:
    """What tells these sources from others: name, size and hash of every file, versions of what is embedded."""
    return [[Path(unit.path).name, unit.size, unit.hash] for unit in units(sources)]


def _inputs(files: list[Unit], preparation: Preparation) -> dict[str, Any]:
    """All that the data depend on, for the manifest."""
    options = dump(preparation)
    del options["shards"]
    found = [[Path(unit.path).name, unit.size, unit.hash] for unit in files]
    inputs = {"sources": found, "preparation": options, "version": version("trivium")}
    if preparation.tokenizer not in (None, "bytes"):
        inputs["tokenizer"] = Tokenizer.load(preparation.tokenizer).identity
    if against := preparation.contamination.against:
        options["contamination"]["against"] = identify(against)
    if own := plugin.needed(classes(preparation)):
        inputs["imports"] = own
    if preparation.languages is not None:
        inputs["language_by"] = language.method()
    return inputs


def _there(folder: Path) -> dict[str, Any] | None:
    """The manifest of the folder if it is a data folder, or None if it may become one."""
    if (folder / "manifest.json").is_file():
        return read_manifest(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder}: exists and is not a data folder; name another one")
    return None


def _same_count(work: Work, manifest: dict[str, Any] | None, asked: int | None) -> None:
    """Refuse another number of shards than a folder was begun with: half of its work would be read as the whole."""
    begun = len(work.before()) or ((manifest or {}).get("shards") if "sources" in (manifest or {}) else None)
    if asked and begun and asked != begun:
        raise DataError(
            f"{work.data}: begun with {begun} shards, found {asked} asked for; ask for {begun}, or name another folder"
        )
