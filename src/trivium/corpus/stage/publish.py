"""Publish: the results of all shards become a data folder, its manifest last.

Token shards are linked, not copied, so the work folder takes no second disk space for them. `corpus/report` adds up the
facts of the stages.
"""

import json
import os
import shutil
from pathlib import Path
from typing import Any

from trivium.base.files import fingerprint, publishing, read_json, write_json, writing, xxh3
from trivium.base.version import FORMAT
from trivium.corpus.arrays import Arrays
from trivium.corpus.read.reading import not_read
from trivium.corpus.report import Facts, report
from trivium.corpus.stage.encode import encode_file
from trivium.corpus.stage.tokenizer import load_tokenizer
from trivium.corpus.table import source_names, unpacked
from trivium.corpus.work import Work
from trivium.data.shards import dtype_for, parts
from trivium.token.template import CHAT_TEMPLATE, Trivium


def publish(work: Work) -> None:
    """Make or replace the data folder, write the dropped documents, and remove results that nobody needs again."""
    plan, shards = work.plan, range(len(work.plan.shards))
    if plan.keep_dropped is not None:
        _write_dropped(work, Path(plan.keep_dropped))
    _make_folder(work)
    if not plan.keep_work:
        work.remove()
        return
    used = [work.dedup_file(), work.tokenizer_file()]
    used += [work.read_file(shard, "", step) for shard in shards for step in ("read", "dropped")]
    used += [encode_file(work, shard, "", step) for shard in shards for step in ("encode", "train", "valid", "again")]
    work.sweep({path.name.split(".")[0] for path in used})


def _make_folder(work: Work) -> None:
    plan, tokenizer, shards = work.plan, load_tokenizer(work), range(len(work.plan.shards))
    facts = Facts(
        [table.facts() for table in work.tables()],
        Arrays(work.dedup_file()).facts(),
        read_json(work.tokenizer_file()),
        [Arrays(encode_file(work, shard)).facts() for shard in shards],
    )
    vocabulary = tokenizer.vocabulary
    with publishing(work.data) as temporary:
        splits = {split: _link(work, temporary, split, facts.encode) for split in ("train", "valid")}
        own = None if any(name not in tokenizer for name in Trivium.needs) else CHAT_TEMPLATE
        tokenizer.save(temporary / "tokenizer", chat_template=tokenizer.chat_template or own)
        vocabulary_files = sorted(path for path in (temporary / "tokenizer").rglob("*") if path.is_file())
        manifest = {
            "format": FORMAT,
            "dtype": dtype_for(vocabulary.size).str,
            "vocab_size": vocabulary.size,
            "special": {"pad": vocabulary.pad, "bos": vocabulary.bos, "eos": vocabulary.eos, "mask": vocabulary.mask},
            "tokenizer": tokenizer.identity,
            "shards": len(shards),
            "splits": splits,
            "files": {path.relative_to(temporary).as_posix(): xxh3(path) for path in vocabulary_files},
            "sources": [source_names(work, shard, found["names"]) for shard, found in enumerate(facts.read)],
            "inputs": plan.inputs,
            "inputs_hash": fingerprint(plan.inputs),
            "dataset_id": fingerprint([splits, tokenizer.identity]),
            "report": report(plan, facts, vocabulary.size, temporary, splits),
        }
        write_json(temporary / "manifest.json", manifest)


def _write_dropped(work: Work, path: Path) -> None:
    """Write the files that were not read, and every dropped document in the order of the shards, with the reasons."""
    with writing(path) as handle:
        for name in work.plan.passed:
            (reason,) = not_read([Path(name)])
            line = json.dumps({"reason": reason, "source": name}, ensure_ascii=False)
            handle.write(line.encode("utf-8", "replace") + b"\n")
        for shard in range(len(work.plan.shards)):
            for file in (
                work.read_file(shard, ".jsonl.zst", "dropped"),
                encode_file(work, shard, ".jsonl.zst", "again"),
            ):
                with unpacked(file) as lines:
                    shutil.copyfileobj(lines, handle)


def _link(work: Work, folder: Path, split: str, encoded: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put the token shards of a split into a folder under their final names; return their lines of the manifest."""
    lines: list[dict[str, Any]] = []
    for shard, facts in enumerate(encoded):
        if (line := facts["lines"][split]) is None:
            continue
        named = {**line, "name": f"{split}-{len(lines):05d}", "shard": shard}
        for source, name in zip(parts(line), parts(named), strict=True):
            try:
                os.link(work.folder / source, folder / name)
            except OSError:  # a file system without links
                shutil.copyfile(work.folder / source, folder / name)
        lines.append(named)
    return lines
