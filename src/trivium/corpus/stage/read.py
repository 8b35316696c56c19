"""Read: the documents of one shard are read, cleaned and filtered one by one.

The kept texts go into a packed file, and facts about them into a table beside it (`corpus/table`).
"""

import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import lru_cache

from trivium.base.types import Document
from trivium.corpus.arrays import save
from trivium.corpus.clean import language, sentences
from trivium.corpus.clean.clean import clean
from trivium.corpus.dropped import Dropped
from trivium.corpus.duplicates import contaminate
from trivium.corpus.preparation import Preparation
from trivium.corpus.read.reading import Counts, Reading
from trivium.corpus.read.sources import read
from trivium.corpus.stage.split import part
from trivium.corpus.table import Table, packed
from trivium.corpus.work import Work

STEPS = ("read", "clean", "filter", "language", "sentences", "decontaminate", "sign and write")


@dataclass
class Tally:
    """The flow of a shard: documents and bytes that left each step, seconds of computing, repairs."""

    flow: dict[str, list[int]] = field(default_factory=lambda: {step: [0, 0] for step in STEPS})
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    mended: Counts = field(default_factory=Counter)
    sentences: int = 0
    last: float = field(default_factory=time.process_time)
    seen: str = ""
    """The text that left a step last, and its bytes."""
    size: int = 0

    def tick(self, step: str) -> None:
        """Book the computing since the last tick to a step."""
        now = time.process_time()
        self.seconds[step] += now - self.last
        self.last = now

    def left(self, step: str, text: str) -> None:
        """Count a document that leaves a step. Most steps leave the text as it was, and then its size is known."""
        if text != self.seen:
            self.seen, self.size = text, len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
        self.tick(step)
        self.flow[step][0] += 1
        self.flow[step][1] += self.size


def read_shard(work: Work, shard: int) -> None:
    """Read one shard; its texts and its table appear in the work folder."""
    plan = work.plan
    tally, table, dropped = Tally(), Table(plan.preparation), Dropped()
    known, mended = evaluation(work)
    with ExitStack() as files:
        if plan.keep_dropped is not None:
            dropped.handle = files.enter_context(packed(work.read_file(shard, ".jsonl.zst", "dropped")))
        handle = files.enter_context(packed(work.read_file(shard, ".zst")))
        for number, unit in enumerate(plan.shards[shard]):
            found = read([unit.path], plan.preparation.reading, tally.mended)
            if unit.parts > 1:
                found = part(work, unit, tally.mended)
            for document in _kept(found, plan.preparation, known, tally, dropped):
                text = document.text.encode("utf-8", "replace")
                handle.write(text)
                table.add(document, number if document.source == unit.path else document.source, len(text))
                tally.left("sign and write", document.text)
    arrays = table.arrays()
    tally.tick("sign and write")
    facts = {
        "flow": tally.flow,
        "seconds": {step: round(value, 3) for step, value in tally.seconds.items()},
        "mended": dict(tally.mended),
        "sentences": tally.sentences,
        "names": list(table.names),
        "dropped": dict(dropped.counts),
        "examples": dropped.examples,
    }
    if known:
        facts["evaluation"] = {"evaluation_texts": known.texts, "too_short_to_tell": known.short, "mended": mended}
    save(work.read_file(shard), facts, **arrays)


def _kept(
    found: Iterable[Document], preparation: Preparation, known: contaminate.Known | None, tally: Tally, dropped: Dropped
) -> Iterator[Document]:
    """Yield the documents that are kept, cleaned, with their language."""
    tally.tick("read")
    for document in found:
        tally.left("read", document.text)
        text = clean(document.text, preparation.cleaning, tally.mended)
        tally.left("clean", text)
        text = preparation.filter.trim(text, tally.mended)
        reason = preparation.filter.reason(text)
        tally.tick("filter")
        if reason:
            dropped.add(replace(document, text=text), reason)
            continue
        tally.left("filter", text)
        spoken = language.identify(text)
        if preparation.languages is not None and spoken not in preparation.languages:
            dropped.add(replace(document, text=text), f"language: {spoken}")
            continue
        tally.left("language", text)
        if preparation.sentence_lines:
            parts = sentences.split(text, language.guess(text))
            tally.sentences += len(parts)
            text = "\n".join(" ".join(part.split()) for part in parts)
        tally.left("sentences", text)
        document = replace(document, text=text, meta={"language": spoken})
        if known and (shared := known.shared(text)) >= preparation.contamination.least:
            reason = f"shares {preparation.contamination.run} words with an evaluation text"
            dropped.add(document, reason, f"{shared} runs")
            continue
        tally.left("decontaminate", text)
        yield document
    tally.tick("read")


def evaluation(work: Work) -> tuple[contaminate.Known | None, Counts]:
    """Return the evaluation texts that no document may overlap with, if any, and the repairs in them."""
    preparation = work.plan.preparation
    if not preparation.contamination.against:
        return None, Counter()
    # The plan knows the files by their content: a file of the same name may change between two runs of a process.
    content = work.plan.inputs["preparation"]["contamination"]
    return _evaluation(preparation.contamination, preparation.reading, json.dumps(content))


@lru_cache(maxsize=1)
def _evaluation(
    contamination: contaminate.Contamination, reading: Reading, content: str
) -> tuple[contaminate.Known, Counts]:
    """Read the evaluation texts, once in each process."""
    counts: Counts = Counter()
    known = contaminate.load(contamination, reading, counts)
    return known, Counter({f"evaluation texts: {reason}": count for reason, count in counts.items()})
