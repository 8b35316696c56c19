"""Tokenizer: train it on a bounded sample of the training text, or load the one that was asked for."""

import time
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from trivium.base.errors import DataError
from trivium.base.files import read_json, write_json
from trivium.corpus.arrays import Arrays
from trivium.corpus.dropped import Dropped
from trivium.corpus.duplicates.shingle import mix
from trivium.corpus.stage.dedup import kept
from trivium.corpus.work import Work
from trivium.token.tokenizer import Tokenizer


def make_tokenizer(work: Work, shard: int = 0) -> None:
    """Train or load the tokenizer, and write it to the work folder."""
    start, options, counts = time.process_time(), work.plan.preparation, Counter[str]()
    if options.tokenizer == "bytes":
        tokenizer = Tokenizer.bytes()
    elif options.tokenizer is not None:
        tokenizer = Tokenizer.load(options.tokenizer)
        if tokenizer.identity != work.plan.inputs["tokenizer"]:
            raise DataError(f"{options.tokenizer}: changed while the data were prepared; prepare again")
    else:
        tokenizer = Tokenizer.train(_sample(work), options.vocab_size, counts)
    facts = {"identity": tokenizer.identity, "counts": counts, "seconds": round(time.process_time() - start, 3)}
    templates = {"chat_template": tokenizer.chat_template, "chat_templates": tokenizer.chat_templates}
    tree = {"json": tokenizer.json, "config": tokenizer.config, **templates}
    write_json(work.tokenizer_file(), {**tree, **facts})


def load_tokenizer(work: Work) -> Tokenizer:
    """Return the tokenizer that `make_tokenizer` made."""
    return _load(work.tokenizer_file())


@lru_cache(maxsize=1)
def _load(path: Path) -> Tokenizer:
    """Build a tokenizer once in each process: the name of its file identifies it."""
    tree = read_json(path)
    return Tokenizer(tree["json"], tree["config"], tree["chat_template"], tree.get("chat_templates"))


def _sample(work: Work) -> Iterator[str]:
    """Yield the training texts for the tokenizer: all, or of a larger corpus a part that is drawn by hash."""
    train_bytes = Arrays(work.dedup_file()).facts()["train_bytes"]
    share = work.plan.preparation.sample_bytes / max(1, train_bytes)
    for shard, table in enumerate(work.tables()):
        place = table["address"]
        drawn = (mix(place) < share * 2.0**64).tolist() if share < 1 else [True] * len(place)
        for split, at, document in kept(work, shard, Dropped()):
            if split == "train" and drawn[at]:
                yield document.text
