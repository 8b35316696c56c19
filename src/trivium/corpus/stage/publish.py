"""Publish: the results of all shards become a data folder, its manifest last.

The token shards are linked, not copied: the work folder costs no second disk space for them. What the steps said of
themselves is added up into the report. It refuses to know how a result was made.
"""

import os
import shutil
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from trivium.base.files import fingerprint, publishing, read_json, write_json, writing
from trivium.corpus.clean import language
from trivium.corpus.dropped import EXAMPLES
from trivium.corpus.plan import Arrays, Work
from trivium.corpus.preparation import Preparation
from trivium.corpus.stage.encode import encode_key
from trivium.corpus.stage.read import STEPS, source_names, unpacked
from trivium.corpus.stage.tokenizer import made, tokenizer_file
from trivium.data.pack import PLANNERS
from trivium.data.shards import FORMAT, dtype_for, parts
from trivium.token.template import CHAT_TEMPLATE

ROW = 1024
"""The length of the rows that packing is tried with for the report, BOS and EOS around each document included."""
MOST_PACKED = 1_000_000
"""So many documents are packed for the report."""


def publish(work: Work) -> None:
    """Make the data folder, or replace the one that is there."""
    plan, shards = work.plan, range(len(work.plan.shards))
    tokenizer = made(work)
    encoded = [Arrays(work.file("encode", encode_key(work, shard), shard)).facts() for shard in shards]
    read = [Arrays(work.file("read", key, shard)).facts() for shard, key in enumerate(plan.read_keys)]
    vocabulary = tokenizer.vocabulary
    with publishing(work.data) as temporary:
        splits = {split: _link(work, temporary, split, encoded) for split in ("train", "valid")}
        tokenizer.save(temporary / "tokenizer", chat_template=tokenizer.chat_template or CHAT_TEMPLATE)
        manifest = {
            "format": FORMAT,
            "dtype": dtype_for(vocabulary.size).str,
            "vocab_size": vocabulary.size,
            "special": {"pad": vocabulary.pad, "bos": vocabulary.bos, "eos": vocabulary.eos, "mask": vocabulary.mask},
            "tokenizer": tokenizer.identity,
            "shards": len(shards),
            "splits": splits,
            "sources": [source_names(work, shard, facts["names"]) for shard, facts in enumerate(read)],
            "inputs": plan.inputs,
            "inputs_hash": fingerprint(plan.inputs),
            "dataset_id": fingerprint([splits, tokenizer.identity]),
            "report": _report(work, temporary, splits, read, encoded),
        }
        write_json(temporary / "manifest.json", manifest)


def finish(work: Work) -> None:
    """Publish, write down what was dropped if anybody wants it, and remove what nobody needs again."""
    plan = work.plan
    if plan.keep_dropped is not None:
        _write_dropped(work, Path(plan.keep_dropped))
    publish(work)
    if not plan.keep_work:
        work.remove()
        return
    used = {f"dedup-{plan.dedup_key}", f"tokenizer-{plan.tokenizer_key}"}
    for shard, key in enumerate(plan.read_keys):
        used |= {work.file(step, key, shard, "").name for step in ("read", "dropped")}
        used |= {
            work.file(step, encode_key(work, shard), shard, "").name for step in ("encode", "train", "valid", "again")
        }
    work.sweep(used)


def _write_dropped(work: Work, path: Path) -> None:
    """Write every dropped document with its reason, in the order of the shards."""
    with writing(path) as handle:
        for shard, key in enumerate(work.plan.read_keys):
            for step, name in (("dropped", key), ("again", encode_key(work, shard))):
                with unpacked(work.file(step, name, shard, ".jsonl.zst")) as lines:
                    shutil.copyfileobj(lines, handle)


def _link(work: Work, folder: Path, split: str, encoded: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put the token shards of a split into a folder under their final names; give their lines of the manifest."""
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


def _report(
    work: Work, folder: Path, splits: dict[str, list[dict[str, Any]]], read: list[Any], encoded: list[Any]
) -> dict[str, Any]:
    decided = Arrays(work.file("dedup", work.plan.dedup_key)).facts()
    dropped, mended, languages = Counter[str](), Counter(work.plan.counts or {}), dict[str, Counter[str]]()
    examples: dict[str, list[Any]] = {}
    for facts in [*read, *encoded]:
        dropped.update(facts["dropped"])
        mended.update(facts.get("mended", {}))
        for reason, found in facts["examples"].items():
            examples[reason] = [*examples.get(reason, []), *found][:EXAMPLES]
        for code, found in facts.get("languages", {}).items():
            languages.setdefault(code, Counter()).update(found)
    mended.update(read[0].get("evaluation", {}).get("mended", {}))
    by_size = sorted(languages.items(), key=lambda item: (-item[1]["bytes"], item[0]))
    lengths = {split: _lengths(folder, lines) for split, lines in splits.items()}
    start = time.process_time()
    packing = _packing(lengths["train"])
    steps = [*_read_steps(read, work.plan.preparation), *_later_steps(work, decided, splits, encoded)]
    steps.append({"step": "pack (tried)", "seconds": round(time.process_time() - start, 2), **packing.pop("step")})
    return {
        "steps": steps,
        "dropped": dict(dropped),
        "mended": dict(mended),
        "examples": examples,
        "languages": {code: dict(found) for code, found in by_size},
        "language_by": language.method(),
        "split": decided["split"],
        "packing": packing,
        "lengths": {split: _histogram(found) for split, found in lengths.items()},
    }


def _read_steps(read: list[Any], preparation: Preparation) -> list[dict[str, Any]]:
    """What went into each step of reading and what came out, over all shards."""
    steps = []
    before: tuple[int, int] | None = None
    for step in STEPS:
        seconds = round(sum(facts["seconds"].get(step, 0.0) for facts in read), 2)
        documents, size = (sum(facts["flow"][step][i] for facts in read) for i in (0, 1))
        entry: dict[str, Any] = {"step": step, "seconds": seconds}
        if before is not None:
            entry.update(documents_in=before[0], bytes_in=before[1])
        entry.update(documents_out=documents, bytes_out=size)
        if step == "sentences":
            if not preparation.sentence_lines:
                continue
            entry["sentences"] = sum(facts["sentences"] for facts in read)
        if step == "decontaminate":
            if "evaluation" not in read[0]:
                continue
            entry.update({name: value for name, value in read[0]["evaluation"].items() if name != "mended"})
        before = (documents, size)
        steps.append(entry)
    return steps


def _later_steps(
    work: Work, decided: Any, splits: dict[str, list[dict[str, Any]]], encoded: list[Any]
) -> list[dict[str, Any]]:
    """What the steps after reading did."""
    size = {split: sum(line["bytes"] for line in lines) for split, lines in splits.items()}
    documents = {split: sum(line["documents"] for line in lines) for split, lines in splits.items()}
    tokens = {split: sum(line["tokens"] for line in lines) for split, lines in splits.items()}
    tokenizer, options = read_json(tokenizer_file(work)), work.plan.preparation
    encode: dict[str, Any] = {"step": "encode", "seconds": round(sum(facts["seconds"] for facts in encoded), 2)}
    for split in splits:
        encode |= {
            f"{split}_documents": documents[split],
            f"{split}_tokens": tokens[split],
            f"{split}_bytes": size[split],
        }
    encode["bytes_per_token"] = round(sum(size.values()) / max(1, sum(tokens.values())), 3)
    return [
        {
            "step": "dedup",
            "seconds": decided["seconds"],
            "documents_in": decided["documents_in"],
            "documents_out": decided["documents_out"],
            "bytes_out": sum(size.values()),
        },
        {
            "step": "tokenizer",
            "seconds": round(tokenizer["seconds"], 2),
            "vocabulary": made(work).vocabulary.size,
            **({"text_bytes": min(decided["train_bytes"], options.sample_bytes)} if options.tokenizer is None else {}),
        },
        encode,
    ]


def _lengths(folder: Path, lines: list[dict[str, Any]]) -> np.ndarray:
    """Tokens of every document of a split."""
    found = [np.diff(np.fromfile(folder / f"{line['name']}.idx", "<u8").astype(np.int64)) for line in lines]
    return np.concatenate([np.empty(0, np.int64), *found])


def _histogram(lengths: np.ndarray) -> dict[str, int]:
    """How many documents have up to 1, 2, 4, 8, ... tokens, by that number."""
    if not len(lengths):
        return {}
    power = np.ceil(np.log2(np.maximum(lengths, 1))).astype(int)
    return {str(1 << at): int(count) for at, count in enumerate(np.bincount(power)) if count}


def _packing(lengths: np.ndarray) -> dict[str, Any]:
    """What rows of `ROW` come to, by each way of packing."""
    framed = np.where(lengths > 0, lengths + 2, 0)[:MOST_PACKED]
    found: dict[str, Any] = {"row": ROW, "documents": len(framed), "step": {"documents_in": len(framed)}}
    for name, planner in PLANNERS.items():
        plan = planner(framed, ROW)
        fit = int((np.bincount(plan.document[framed[plan.document] <= ROW], minlength=1) > 1).sum())
        found[name] = {"rows": len(plan), "waste": round(plan.waste, 6), "cut": plan.cut, "cut_though_they_fit": fit}
    return found
