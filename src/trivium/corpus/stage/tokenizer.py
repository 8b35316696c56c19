"""Tokenizer: train it on a bounded part of the training text, or take the one that was asked for."""

import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from trivium.base.errors import DataError
from trivium.base.files import read_json, write_json
from trivium.corpus.dropped import Dropped
from trivium.corpus.duplicates.shingle import mix
from trivium.corpus.plan import Arrays, Work
from trivium.corpus.stage.dedup import decisions, kept
from trivium.token.tokenizer import Tokenizer


def learn(work: Work, shard: int = 0) -> None:
    """Make the tokenizer: trained, or taken as it is."""
    start, options = time.process_time(), work.plan.preparation
    if options.tokenizer == "bytes":
        tokenizer = Tokenizer.bytes()
    elif options.tokenizer is not None:
        tokenizer = Tokenizer.load(options.tokenizer)
        if tokenizer.identity != work.plan.inputs["tokenizer"]:
            raise DataError(f"{options.tokenizer}: changed while the data were prepared; prepare again")
    else:
        tokenizer = Tokenizer.train(_sample(work), options.vocab_size)
    write_json(
        tokenizer_file(work),
        {
            "json": tokenizer.json,
            "config": tokenizer.config,
            "chat_template": tokenizer.chat_template,
            "identity": tokenizer.identity,
            "seconds": round(time.process_time() - start, 3),
        },
    )


def tokenizer_file(work: Work) -> Path:
    """Where the tokenizer is kept."""
    return work.file("tokenizer", work.plan.tokenizer_key, suffix=".json")


def made(work: Work) -> Tokenizer:
    """The tokenizer that `learn` made."""
    return _made(tokenizer_file(work))


@lru_cache(maxsize=1)
def _made(path: Path) -> Tokenizer:
    """Build a tokenizer once in each process: the name of its file says what it is."""
    tree = read_json(path)
    return Tokenizer(tree["json"], tree["config"], tree["chat_template"])


def _sample(work: Work) -> Iterator[str]:
    """The training texts that the tokenizer learns from: all, or of larger corpora a part that is drawn by hash."""
    share = work.plan.preparation.sample_bytes / max(1, decisions(work).facts()["train_bytes"])
    for shard, key in enumerate(work.plan.read_keys):
        place = Arrays(work.file("read", key, shard))["address"]
        drawn = (mix(place) < share * 2.0**64).tolist() if share < 1 else [True] * len(place)
        for split, at, document in kept(work, shard, Dropped()):
            if split == "train" and drawn[at]:
                yield document.text
