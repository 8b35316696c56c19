"""Positions: scores with rotary and with added positions when both tokens move, and three small trainings."""

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trivium.model.config import configure
from trivium.model.layer.position import RoPE, Sinusoid, rotate
from trivium.model.size import parameters
from trivium.study.course import short
from trivium.study.course.lesson import Lesson, Numbers
from trivium.task.evaluate import score_folder

WIDTH = 64
"""The width of the head that is drawn."""
PLACES, FAR = 40, 192
"""Positions of the two matrices, and the longest distance of the curve."""
MOVED = 1000
LENGTH, BEYOND = 128, 512
"""Tokens of a row in training, and of the longer rows that the models read afterwards."""


def content() -> tuple[Tensor, Tensor]:
    """Return a query and a key [E] without a position."""
    made = torch.randn(2, WIDTH, generator=torch.Generator().manual_seed(3))
    made[1] = 0.7 * made[0] + 0.5 * made[1]  # a key that suits the query
    return made[0], made[1]


def rotary(q: Tensor, k: Tensor, at: Tensor) -> Tensor:
    """Return the scores [T, T] of one query and one key at each pair of positions [T], by our RoPE."""
    turn = RoPE().relative(1, WIDTH).rotation(at[None])
    assert turn is not None
    queries, keys = (rotate(x.expand(1, 1, len(at), WIDTH), turn)[0, 0] for x in (q, k))
    return queries @ keys.T / math.sqrt(WIDTH)


def added(q: Tensor, k: Tensor, at: Tensor) -> Tensor:
    """Return the same scores where a vector for the position is added to the query and to the key."""
    vectors = Sinusoid().additive(0, WIDTH)(at[None])[0]
    return (q + vectors) @ (k + vectors).T / math.sqrt(WIDTH)


def change(scores: Any) -> float:
    """Return how much a score changes at most when query and key move on together by `MOVED` places."""
    here, (q, k) = torch.arange(PLACES), content()
    return float((scores(q, k, here + MOVED) - scores(q, k, here)).abs().max())


def exact() -> Numbers:
    """Return wavelengths of the pairs, parameters of a table, and what moving does to scores with added vectors."""
    frequency = RoPE().relative(1, WIDTH).get_buffer("frequency")
    sizes = {name: sum(parameters(configure("llama", position=[name])).values()) for name in ("rope", "learned")}
    return {
        "shortest": 2 * math.pi / float(frequency[0]),
        "longest": 2 * math.pi / float(frequency[-1]),
        "table": sizes["learned"] - sizes["rope"],
        "added_change": change(added),
    }


def measured(scratch: Path) -> Numbers:
    """Train three small models that differ in positions; score them on rows of their length and on longer ones."""
    found: dict[str, Any] = {"rotary_change": change(rotary)}
    for name in ("rope", "learned", "none"):
        model = {"context": BEYOND, "decoder": {"position": [name]}}
        run = short.train(scratch, f"rope-{name}", {"model": model, "budget_steps": 150})
        found[f"loss_{name}"] = run["loss"]
        found[f"beyond_{name}"] = score_folder(run["model"], short.data(scratch), BEYOND).loss
    return found


def drawing(numbers: Numbers) -> Any:
    """Return both matrices of scores, the frequency of each pair, and by distance the score of what agrees."""
    here, (q, k), same = torch.arange(PLACES), content(), torch.ones(WIDTH)
    return {
        "rotary": rotary(q, k, here).round(decimals=3).tolist(),
        "added": added(q, k, here).round(decimals=3).tolist(),
        "frequencies": RoPE().relative(1, WIDTH).get_buffer("frequency").tolist(),
        "curve": rotary(same, same, torch.arange(FAR))[:, 0].round(decimals=3).tolist(),
    }


LESSON = Lesson("rope", exact, drawing, measured)
