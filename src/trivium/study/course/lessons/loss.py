"""The loss: the scores of a small model of letters, n x V, and what the mean over all valid targets is worth."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from trivium import api
from trivium.base.batch import Batch, collate
from trivium.base.seeds import generator
from trivium.base.types import IGNORE, Example
from trivium.model.device import evaluating, place
from trivium.study.course.lesson import Lesson, Numbers
from trivium.train.loss.token import TokenLoss

LETTERS = " abcdefghijklmnopqrstuvwxyz."
TEXT = (
    "the tide rises twice a day. it fills the harbour and the boats do not wait. then it falls. the sand is bare "
    "and the gulls come back. the boats lie in the sand until the tide rises again. "
)
ASKED = "the boats wait for the tide."
STEPS, ROWS, LENGTH = 100, 8, 48
PAPER_ROWS, PAPER_LENGTH, PAPER_VOCABULARY = 8, 1024, 32_000
LONG, BRIEF = 40, 4
"""Targets of two micro-batches of one step."""


def batch(*texts: tuple[str, int]) -> Batch:
    """Return a batch of texts, one a row, on the CPU; of each the first letters of a given number are no targets."""
    rows = []
    for text, prompt in texts:
        ids = np.array([LETTERS.index(letter) for letter in text])
        targets = np.where(np.arange(len(ids) - 1) < prompt, IGNORE, ids[1:])
        rows.append([Example(dec=ids[:-1], targets={"token": targets})])
    return place(collate(rows, pad=0), torch.device("cpu"))


def model() -> api.Model:
    """Return a fresh decoder of one layer whose vocabulary are the letters."""
    torch.manual_seed(0)
    return api.build("llama", layers=1, heads=2, kv_heads=2, hidden_size=64, vocab_size=len(LETTERS), context=64)


def train(made: api.Model) -> list[float]:
    """Train a model on pieces of the text; return the mean loss of each step."""
    transformer, losses = made.transformer.train(), []
    optimizer = torch.optim.AdamW(transformer.parameters(), lr=1e-2)
    for step in range(STEPS):
        starts = generator(0, step).integers(len(TEXT) - LENGTH, size=ROWS)
        given = batch(*((TEXT[start : start + LENGTH], 0) for start in starts))
        loss = TokenLoss()(transformer.head, transformer(given), given)
        mean = loss.total / given.count()
        optimizer.zero_grad()
        mean.backward()
        optimizer.step()
        losses.append(float(mean.detach()))
    return losses


def exact() -> Numbers:
    """Return the loss of a model that knows nothing, and the bytes of scores, whole and of the chunk that exists."""
    row = PAPER_VOCABULARY * 4
    return {
        "letters": len(LETTERS),
        "even_letters": math.log(len(LETTERS)),
        "even_8192": math.log(8192),
        "even_32000": math.log(PAPER_VOCABULARY),
        "whole_mb": PAPER_ROWS * PAPER_LENGTH * row / 1e6,
        "chunk_mb": TokenLoss().chunk_rows * row / 1e6,
    }


def difference(transformer: Any, given: Batch) -> float:
    """Return the largest difference of a gradient by our loss in chunks and by torch on the whole matrix of scores."""
    targets, found = given.targets["token"], []
    weights = [*transformer.parameters()]
    hidden = transformer(given)
    whole = F.cross_entropy(transformer.logits(hidden).flatten(0, 1), targets.flatten(), ignore_index=IGNORE)
    for mean in (whole, TokenLoss(chunk_rows=16)(transformer.head, transformer(given), given).total / given.count()):
        found.append(torch.autograd.grad(mean, weights))
    return max(float((one - other).abs().max()) for one, other in zip(*found, strict=True))


def measured(scratch: Path) -> Numbers:
    """Train the model of letters; return its scores, and the mean of a step of two unequal micro-batches."""
    made = model()
    losses = train(made)
    transformer = made.transformer
    long, brief = (TEXT[: LONG + 1], 0), (ASKED, len(ASKED) - 1 - BRIEF)
    with evaluating(transformer):
        asked = batch((ASKED, 0))
        scores = transformer.logits(transformer(asked))[0].log_softmax(-1)
        parts = [
            (TokenLoss()(transformer.head, transformer(one), one).total, one.count())
            for one in map(batch, (long, brief))
        ]
        both = batch(long, brief)
        whole = TokenLoss()(transformer.head, transformer(both), both).total / both.count()
    means = [float(total) / count for total, count in parts]
    return {
        "loss_start": losses[0],
        "loss_end": losses[-1],
        "loss_text": float(-scores.gather(1, asked.targets["token"][0][:, None]).mean()),
        "mean_long": means[0],
        "mean_brief": means[1],
        "mean_whole": float(whole),
        "mean_parts": float(sum(total for total, _ in parts)) / sum(count for _, count in parts),
        "mean_of_means": sum(means) / 2,
        "grad_gap": difference(transformer.train(), both),
        "scores": scores.double().round(decimals=3).tolist(),
    }


def drawing(numbers: Numbers) -> Any:
    """Return the log-probabilities [n, V] of the text that is asked, its letters and its targets."""
    return {"letters": [*LETTERS], "text": ASKED, "scores": numbers["scores"]}


LESSON = Lesson("loss", exact, drawing, measured)
