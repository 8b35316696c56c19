"""Report of a preparation: the facts of the stages added up for the manifest, and told as tables.

A table shows what came in and went out of each step, what was dropped and why, and what is left.
"""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from trivium.base.log import columns
from trivium.corpus.clean import language
from trivium.corpus.dropped import EXAMPLES
from trivium.corpus.plan import Plan
from trivium.corpus.preparation import Preparation
from trivium.corpus.read.reading import NOT_READ, not_read
from trivium.corpus.stage.read import STEPS
from trivium.data.pack import PLANNERS
from trivium.token.bpe import USUAL

ROW = 1024
"""The length of rows for which packing is tried, BOS and EOS around each document included."""
MOST_PACKED = 1_000_000
"""The most documents that packing is tried with."""
FLOW = ("documents_in", "documents_out", "bytes_in", "bytes_out")

Splits = dict[str, list[dict[str, Any]]]


class Facts(NamedTuple):
    """The facts that the stages left, those of `read` and `encode` for each shard."""

    read: list[Any]
    dedup: Any
    tokenizer: Any
    encode: list[Any]


def report(plan: Plan, facts: Facts, vocab_size: int, folder: Path, splits: Splits) -> dict[str, Any]:
    """Return the report of the manifest. Token shards are read from `folder`, `splits` are their lines."""
    dropped, mended, languages = Counter[str](), not_read(map(Path, plan.passed)), dict[str, Counter[str]]()
    examples: dict[str, list[Any]] = {}
    for shard in [*facts.read, *facts.encode]:
        dropped.update(shard["dropped"])
        mended.update(shard.get("mended", {}))
        for reason, found in shard["examples"].items():
            examples[reason] = [*examples.get(reason, []), *found][:EXAMPLES]
        for code, found in shard.get("languages", {}).items():
            languages.setdefault(code, Counter()).update(found)
    mended.update(facts.read[0].get("evaluation", {}).get("mended", {}))
    mended.update(facts.tokenizer["counts"])
    lost = {reason: mended.pop(reason) for reason in list(mended) if reason.startswith(NOT_READ)}
    by_size = sorted(languages.items(), key=lambda item: (-item[1]["bytes"], item[0]))
    lengths = {split: _lengths(folder, lines) for split, lines in splits.items()}
    start = time.process_time()
    packing = _packing(lengths["train"])
    steps = [*_read_steps(facts.read, plan.preparation), *_later_steps(plan.preparation, facts, vocab_size, splits)]
    packed = {"seconds": round(time.process_time() - start, 2), "documents_in": packing["documents"]}
    return {
        "steps": [*steps, {"step": "pack (tried)", **packed}],
        "dropped": dict(dropped),
        "mended": dict(mended),
        "not_read": {reason.removeprefix(NOT_READ): count for reason, count in lost.items()},
        "examples": examples,
        "languages": {code: dict(found) for code, found in by_size},
        "language_by": language.method(),
        "split": facts.dedup["split"],
        "valid_share": plan.preparation.valid_share,
        "packing": packing,
        "lengths": {split: _histogram(found) for split, found in lengths.items()},
    }


def _read_steps(read: list[Any], preparation: Preparation) -> Iterator[dict[str, Any]]:
    """Yield what went into each step of reading and what came out, over all shards."""
    before: dict[str, int] = {}
    for step in STEPS:
        seconds = round(sum(facts["seconds"].get(step, 0.0) for facts in read), 2)
        documents, size = (sum(facts["flow"][step][i] for facts in read) for i in (0, 1))
        entry = {"step": step, "seconds": seconds, **before, "documents_out": documents, "bytes_out": size}
        if step == "sentences":
            if not preparation.sentence_lines:
                continue
            entry["sentences"] = sum(facts["sentences"] for facts in read)
        if step == "decontaminate":
            if "evaluation" not in read[0]:
                continue
            entry.update({name: value for name, value in read[0]["evaluation"].items() if name != "mended"})
        before = {"documents_in": documents, "bytes_in": size}
        yield entry


def _later_steps(preparation: Preparation, facts: Facts, vocab_size: int, splits: Splits) -> Iterator[dict[str, Any]]:
    """Yield the facts of the stages after reading."""
    sums = {f"{split}_{key}": value for split, lines in splits.items() for key, value in _sums(lines).items()}
    size, tokens = (sum(sums[f"{split}_{key}"] for split in splits) for key in ("bytes", "tokens"))
    dedup = {key: facts.dedup[key] for key in ("seconds", "documents_in", "documents_out")}
    yield {"step": "dedup", **dedup, "bytes_out": size}
    tokenizer = {"step": "tokenizer", "seconds": round(facts.tokenizer["seconds"], 2), "vocabulary": vocab_size}
    if preparation.tokenizer is None:
        tokenizer["text_bytes"] = min(facts.dedup["train_bytes"], preparation.sample_bytes)
    yield tokenizer
    seconds = round(sum(shard["seconds"] for shard in facts.encode), 2)
    yield {"step": "encode", "seconds": seconds, **sums, "bytes_per_token": round(size / max(1, tokens), 3)}


def _sums(lines: list[dict[str, Any]]) -> dict[str, int]:
    return {key: sum(line[key] for line in lines) for key in ("documents", "tokens", "bytes")}


def _lengths(folder: Path, lines: list[dict[str, Any]]) -> np.ndarray:
    """Return the tokens of every document of a split [N]."""
    found = [np.diff(np.fromfile(folder / f"{line['name']}.idx", "<u8").astype(np.int64)) for line in lines]
    return np.concatenate([np.empty(0, np.int64), *found])


def _histogram(lengths: np.ndarray) -> dict[str, int]:
    """Return how many documents have up to 1, 2, 4, 8, ... tokens, by that number."""
    if not len(lengths):
        return {}
    power = np.ceil(np.log2(np.maximum(lengths, 1))).astype(int)
    return {str(1 << at): int(count) for at, count in enumerate(np.bincount(power)) if count}


def _packing(lengths: np.ndarray) -> dict[str, Any]:
    """Return the result of packing into rows of `ROW`, for each kind of packing."""
    framed = np.where(lengths > 0, lengths + 2, 0)[:MOST_PACKED]
    found: dict[str, Any] = {"row": ROW, "documents": len(framed)}
    for name, planner in PLANNERS.items():
        plan = planner(framed, ROW)
        fit = int((np.bincount(plan.document[framed[plan.document] <= ROW], minlength=1) > 1).sum())
        found[name] = {"rows": len(plan), "waste": round(plan.waste, 6), "cut": plan.cut, "cut_though_they_fit": fit}
    return found


class Section(NamedTuple):
    """A table of the report; the first column is text, the others are numbers. `note` explains it."""

    title: str
    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    note: str = ""


def sections(manifest: dict[str, Any]) -> Iterator[Section]:
    """Yield the tables of a data folder's report; those without rows are left out."""
    report, packing = manifest["report"], manifest["report"].get("packing", {})
    sizes = ("documents", "bytes", "tokens", "bytes per token")
    rates = "Seconds are of computing, all workers together; MB/s is for one core."
    flow = ("step", "documents in", "out", "bytes in", "out", "seconds", "MB/s")
    languages = [(name, *_numbers(found)) for name, found in report.get("languages", {}).items()]
    tables = [
        Section("Step by step", flow, [_flow(step) for step in report["steps"]], rates),
        Section("Dropped", ("reason", "documents"), _by_count(report["dropped"])),
        Section("Not read", ("what", "times"), _by_count(report.get("not_read", {}))),
        Section("Repaired", ("what", "times"), _by_count(report["mended"])),
        Section("Languages", ("language", *sizes), languages, f"Identified by {report.get('language_by')}."),
    ]
    for split, counts in report.get("lengths", {}).items():
        rows = [(f"up to {int(size):,}", f"{count:,}") for size, count in counts.items()]
        tables.append(Section(f"Tokens per document, {split}", ("tokens", "documents"), rows))
    packed = [
        (name, f"{one['rows']:,}", f"{one['waste']:.3%}", f"{one['cut']:,}", f"{one['cut_though_they_fit']:,}")
        for name in PLANNERS
        if (one := packing.get(name))
    ]
    note = f"Packing of {packing.get('documents', 0):,} training documents, each between BOS and EOS. `bestfit` cuts "
    note += "only documents longer than a row; `concat` fills rows in order and cuts wherever a row ends."
    header = ("packing", "rows", "empty places", "documents cut", "that would fit")
    splits = [(split, *_numbers(_sums(lines))) for split, lines in manifest["splits"].items()]
    tables += [
        Section(f"Rows of {packing.get('row', 0):,}", header, packed, note),
        Section(f"Data, a vocabulary of {manifest['vocab_size']:,}", ("split", *sizes), splits),
    ]
    yield from (table for table in tables if table.rows)


def lines(manifest: dict[str, Any]) -> Iterator[str]:
    """Yield the report of a data folder as lines of text."""
    for section in sections(manifest):
        yield section.title
        yield from (f"  {line}" for line in columns([section.header, *section.rows]))
        yield ""
    yield from (f"warning: {text}" for text in warnings(manifest))


def warnings(manifest: dict[str, Any]) -> Iterator[str]:
    """Yield what a person should know about a data folder before training."""
    kinds = [what.removesuffix(" file") for what in manifest["report"].get("not_read", {}) if what.endswith(" file")]
    if kinds:
        named = ",".join(kind.removeprefix(".") for kind in sorted(kinds)[:8])
        yield f"files of {len(kinds)} kinds were not read; --as-text {named} reads them as text"
    asked, size = manifest.get("inputs", {}).get("preparation", {}), manifest.get("vocab_size", USUAL)
    if asked.get("tokenizer") is None and asked.get("vocab_size") is None and size < USUAL:
        yield f"the text is small: it gives a vocabulary of {size:,} tokens, not of {USUAL:,}"
    documents = {split: sum(line["documents"] for line in lines) for split, lines in manifest["splits"].items()}
    if (share := manifest["report"].get("valid_share")) and not documents["valid"]:
        yield (
            f"no document is held out ({documents['train']:,} in all, each drawn with a chance of {share:g}), so there "
            "is no held-out loss; raise --valid-share, or prepare long files as several documents"
        )


def facts_of(step: dict[str, Any]) -> str:
    """Return the facts of a step that are not in the table of steps, in words."""
    facts = {key: value for key, value in step.items() if key not in ("step", "seconds", *FLOW)}
    return ", ".join(f"{key.replace('_', ' ')} {value:,}" for key, value in facts.items())


def _flow(step: dict[str, Any]) -> tuple[str, ...]:
    size = step.get("bytes_in") or step.get("bytes_out") or step.get("text_bytes")
    if step["step"] == "encode":
        size = step["train_bytes"] + step["valid_bytes"]
    rate = f"{size / step['seconds'] / 1e6:.1f}" if size and step["seconds"] else ""
    return (step["step"], *(f"{step[key]:,}" if key in step else "" for key in FLOW), f"{step['seconds']:.2f}", rate)


def _numbers(found: dict[str, int]) -> tuple[str, ...]:
    rate = f"{found['bytes'] / found['tokens']:.2f}" if found["tokens"] else ""
    return (*(f"{found[key]:,}" for key in ("documents", "bytes", "tokens")), rate)


def _by_count(counts: dict[str, int]) -> list[tuple[str, ...]]:
    return [(reason, f"{count:,}") for reason, count in sorted(counts.items(), key=lambda item: -item[1])]
