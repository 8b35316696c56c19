"""Whether a decoder uses its encoder: the loss of copying a held-out text, with that source and with another one.

    python bench/reading.py MODEL DATA [--lengths 30 100 250] [--texts 32]

In nats per token. If both losses are equal, the model does not look at its source. If the first is near 0, it copies.
DATA is a data folder made with the model's tokenizer.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from trivium import api
from trivium.base.batch import collate
from trivium.base.types import Example
from trivium.data.shards import Corpus
from trivium.model.device import place
from trivium.objective.infill import TextInfilling
from trivium.train.loss.token import TokenLoss

BATCH = 8


def examples(model: api.Model, documents: list[np.ndarray], length: int, count: int) -> list[Example]:
    """Return pieces of documents, each as source and as target."""
    vocabulary, draw = model.tokenizer.vocabulary, np.random.default_rng(0)
    objective = TextInfilling(rate=0.0, permute=False, start="pad" if model.layout().start == vocabulary.pad else "eos")
    before, after = objective.frame(vocabulary)
    long = [ids for ids in documents if len(ids) >= length]
    found = []
    for ids in (long[int(draw.integers(len(long)))] for _ in range(count)):
        at = int(draw.integers(len(ids) - length + 1))
        found.append(objective.piece(np.r_[before, ids[at : at + length], after], None, vocabulary, draw))
    return found


def loss(model: api.Model, texts: list[Example]) -> float:
    """Return the loss in nats per token."""
    total = count = 0.0
    for at in range(0, len(texts), BATCH):
        batch = place(collate([[text] for text in texts[at : at + BATCH]], pad=0))
        some, each, _ = TokenLoss()(model.transformer.head, model.transformer(batch), batch)
        total, count = total + float(some), count + len(each)
    return total / count


def main() -> None:
    """Print both losses for each length."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("data", type=Path)
    parser.add_argument("--lengths", type=int, nargs="*", default=[30, 100, 250])
    parser.add_argument("--texts", type=int, default=32)
    given = parser.parse_args()
    model, documents = api.load(given.model), list(Corpus(given.data, "valid").documents())
    if model.config.family != "encoder_decoder":
        parser.error(f"{given.model}: expected an encoder-decoder model, found one of family {model.config.family}")
    for length in given.lengths:
        texts = examples(model, documents, length, given.texts)
        others = [replace(text, enc=other.enc) for text, other in zip(texts, texts[-5:] + texts[:-5], strict=True)]
        with torch.inference_mode():
            own, other = loss(model, texts), loss(model, others)
        print(f"{length:>5} tokens: {own:.3f} given the text, {other:.3f} given another")


if __name__ == "__main__":
    main()
