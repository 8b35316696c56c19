"""Attention as a matrix: a small model learns to copy; its weights before and after, and how few pairs hold them."""

from pathlib import Path
from string import ascii_lowercase
from typing import Any

import torch
from torch import Tensor

from trivium import api
from trivium.infer.padding import batched
from trivium.lab.attention import HELD, Recorder, even, held
from trivium.model.attention.kernel import Case, Eager
from trivium.model.attention.pattern import Causal, Where
from trivium.model.attention.using import using
from trivium.model.attention.view import View
from trivium.study.course import ids
from trivium.study.course.lesson import Lesson, Numbers

HALF, LETTERS, HEADS, ROWS, STEPS = 12, len(ascii_lowercase), 2, 32, 200
"""Letters of half a row, the letters there are, heads of a layer, rows of a step, and steps."""


def causal(length: int) -> View:
    """Return the View of one row under a causal mask."""
    where = Where(torch.arange(length)[None], torch.ones(1, length, dtype=torch.long))
    return View(Causal(), where, where, plain=True)


def by_hand(q: Tensor, k: Tensor) -> Tensor:
    """Return the weights [T, T] by the formula: scores, minus infinity after the query, softmax of each row."""
    scores = q @ k.T / q.shape[-1] ** 0.5
    later = torch.ones_like(scores, dtype=torch.bool).triu(1)
    return scores.masked_fill(later, -torch.inf).softmax(dim=-1)


def exact() -> Numbers:
    """Return the pairs of a row, and the share of them that an even head needs for its weight."""
    mask = causal(2 * HALF).mask[0, 0]
    return {"pairs": mask.numel(), "allowed": int(mask.sum()), "even": held(even(mask), mask), "long_pairs": 8192**2}


def apart() -> float:
    """Return how far the formula is from the weights of our kernel, on random queries and keys."""
    q, k = torch.randn(2, 2 * HALF, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    kernel = Eager().weights(q[None, None], k[None, None], 8**-0.5, Case(causal(2 * HALF)))[0, 0]
    return float((by_hand(q, k) - kernel).abs().max())


def maps(model: api.Model, row: Tensor) -> Tensor:
    """Return the weights [layers x heads, T, T] of a row, recorded as `trivium show --attention` does."""
    recorder = Recorder()
    with using(model.transformer, lambda name: recorder), torch.no_grad():
        model.transformer(batched(model.transformer, row[None], None, None, None, None))
    return torch.cat([weight[0] for weight, _ in recorder.seen])


def favourite(weight: Tensor) -> tuple[float, int]:
    """Return the best distance of query and key in the second half of a row [T, T], after its mean weight."""
    queries = torch.arange(HALF, len(weight))
    means = [float(weight[queries, queries - back].mean()) for back in range(HALF + 1)]
    return max((mean, back) for back, mean in enumerate(means))


def written(weight: Tensor) -> list[str]:
    """Return the weights [T, T] of allowed pairs as text, a row in a line."""
    return [
        " ".join(f"{value:.4g}" for value in row[: at + 1]) for at, row in enumerate(weight.round(decimals=4).tolist())
    ]


def measured(scratch: Path) -> Numbers:
    """Teach a small model to repeat twelve random letters; keep the maps of one row before and after."""
    torch.manual_seed(0)
    model = api.build("llama", layers=2, heads=HEADS, hidden_size=64, vocab_size=LETTERS, context=2 * HALF)
    draw = torch.Generator().manual_seed(0)
    row = ids.repeated(1, HALF, LETTERS, draw)[0]
    mask = causal(len(row)).mask[0, 0]
    optimizer = torch.optim.AdamW(model.transformer.parameters(), lr=3e-3)
    found: dict[str, Any] = {"row": row.tolist(), "apart": apart()}
    for when, steps in (("before", 0), ("after", STEPS)):
        for _ in range(steps):
            optimizer.zero_grad()
            ids.loss(model.transformer, ids.repeated(ROWS, HALF, LETTERS, draw), HALF).backward()
            optimizer.step()
        weights = maps(model, row)
        with torch.no_grad():
            loss = ids.loss(model.transformer, ids.repeated(256, HALF, LETTERS, draw), HALF)
        shares = [held(one, mask, HELD) for one in weights]
        found |= {f"loss_{when}": float(loss), f"least_{when}": min(shares), f"most_{when}": max(shares)}
        for layer, heads in enumerate(weights.split(HEADS), start=1):
            found[f"weight_{when}_{layer}"], found[f"back_{when}_{layer}"] = max(map(favourite, heads))
        found[f"maps_{when}"] = [written(one) for one in weights]
    return found


def drawing(numbers: Numbers) -> Any:
    """Return the letters and the weights of every head, untrained and trained; pairs that are not allowed are None."""
    letters = [ascii_lowercase[one] for one in numbers["row"]]
    length, maps = len(letters), {}
    for when in ("before", "after"):
        rows_of = [[[float(value) for value in line.split()] for line in one] for one in numbers[f"maps_{when}"]]
        maps[when] = [[row + [None] * (length - len(row)) for row in one] for one in rows_of]
    return {"letters": letters, "heads": HEADS, "held": HELD, **maps}


LESSON = Lesson("attention", exact, drawing, measured)
