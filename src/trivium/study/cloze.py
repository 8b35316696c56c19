"""Cloze: a question that every family can answer. Which of ten tokens fills the blank?

A blank is one token of held-out text with text on both sides. Nine other candidates are drawn from the held-out text,
so frequent tokens are frequent among them too. Each family scores a candidate in its own way:

    decoder           the log-probability of the whole text from the blank on, with the candidate in it
    encoder           the log-probability of the candidate at a mask
    encoder_decoder   the log-probability of the candidate after the sentinel of the blank

Chance is 10 %. An encoder reads both sides at once; a decoder uses the right side through the likelihood of the text
that follows. No task is closer to the same for all three.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from trivium import api
from trivium.base.batch import Batch, collate
from trivium.base.errors import DataError
from trivium.base.log import watched
from trivium.base.seeds import generator
from trivium.base.types import Example, Vocabulary
from trivium.model.device import evaluating, place
from trivium.objective.objective import ends

CANDIDATES = 10
SIDE = 32
"""Tokens of context on each side of a blank."""
BATCH = 50


@dataclass(frozen=True)
class Blank:
    """The ids around a blank, and its candidates; the first one is right."""

    left: np.ndarray
    right: np.ndarray
    candidates: np.ndarray


def blanks(documents: Iterable[np.ndarray], count: int, seed: int) -> list[Blank]:
    """Draw `count` blanks from documents of content ids; a DataError if all documents are too short."""
    texts = [ids for ids in documents if len(ids) > 2 * SIDE]
    if not texts:
        raise DataError(f"no held-out document is longer than {2 * SIDE} tokens: no blank can be made")
    rng = generator(seed)
    pool = np.concatenate(texts)
    lengths = np.array([len(ids) for ids in texts], dtype=np.float64)
    found = []
    for which in rng.choice(len(texts), size=count, p=lengths / lengths.sum()):
        ids = texts[which]
        at = int(rng.integers(SIDE, len(ids) - SIDE))
        others: list[int] = []
        while len(others) < CANDIDATES - 1:
            token = int(pool[rng.integers(len(pool))])
            if token != ids[at] and token not in others:
                others.append(token)
        found.append(Blank(ids[at - SIDE : at], ids[at + 1 : at + 1 + SIDE], np.array([ids[at], *others])))
    return found


def accuracy(model: api.Model, asked: Sequence[Blank]) -> float:
    """Return the share of blanks whose right candidate scores highest."""
    score = _decoder if model.config.encoder is None else _at_gap
    right = 0
    with evaluating(model.transformer):
        for at in watched(range(0, len(asked), BATCH), "filling blanks", "batches"):
            scores = score(model, asked[at : at + BATCH], model.tokenizer.vocabulary)  # blanks x candidates
            right += int((scores.argmax(dim=1) == 0).sum())
    return right / len(asked)


def frequency_accuracy(documents: Iterable[np.ndarray], asked: Sequence[Blank], vocab_size: int) -> float:
    """Return the accuracy of always taking the candidate that is most frequent in the training text."""
    counts = np.zeros(vocab_size, dtype=np.int64)
    for ids in documents:
        counts += np.bincount(ids, minlength=vocab_size)
    return float(np.mean([counts[blank.candidates].argmax() == 0 for blank in asked]))


def _decoder(model: api.Model, asked: Sequence[Blank], vocabulary: Vocabulary) -> torch.Tensor:
    """Return the log-likelihood of the text from the blank on, with each candidate in it."""
    begin, _ = ends(vocabulary)
    texts = [np.concatenate([begin, b.left, [c], b.right]).astype(np.int64) for b in asked for c in b.candidates]
    batch = _placed([Example(dec=text) for text in texts], model)
    logs = F.log_softmax(model.transformer.logits(model.transformer(batch)[:, :-1]), dim=-1)
    assert batch.dec is not None
    picked = logs.gather(2, batch.dec.ids[:, 1:, None])[..., 0]
    return picked[:, len(begin) + SIDE - 1 :].sum(dim=1).unflatten(0, (len(asked), CANDIDATES))


def _at_gap(model: api.Model, asked: Sequence[Blank], vocabulary: Vocabulary) -> torch.Tensor:
    """Return the logits of the candidates at a mask, or in a decoder's place after the sentinel of the blank."""
    begin, end = ends(vocabulary)
    gap, column, dec = vocabulary.mask, len(begin) + SIDE, None
    if model.config.decoder is not None:
        begin, gap, column = (), vocabulary.sentinels[0], 1
        dec = np.array([vocabulary.pad, gap])
    assert gap is not None
    texts = [np.concatenate([begin, b.left, [gap], b.right, end]).astype(np.int64) for b in asked]
    batch = _placed([Example(enc=text, dec=dec) for text in texts], model)
    logits = model.transformer.logits(model.transformer(batch)[:, column])
    return logits.gather(1, torch.from_numpy(np.stack([b.candidates for b in asked])).to(logits.device))


def _placed(examples: Sequence[Example], model: api.Model) -> Batch:
    return place(collate([[example] for example in examples], 0), model.transformer.tokens.weight.device)
