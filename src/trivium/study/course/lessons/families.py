"""Families: change one token that a model reads, and see at which places its output changes."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from trivium.base.batch import Batch, stream
from trivium.base.config import merge, parse
from trivium.model.config import ModelConfig
from trivium.model.device import place
from trivium.model.size import parameters, row_flops
from trivium.model.transformer import Transformer
from trivium.study.compare import FAMILIES, sizes, tree
from trivium.study.course.lesson import Lesson, Numbers

READ, WRITTEN = 6, 3
"""Tokens of the drawing that an encoder or a lone decoder reads, and that a decoder beside an encoder writes."""
VOCAB_SIZE, LAYERS, WIDTH = 8192, 4, 256
"""The size of the models that are counted."""


def output(model: Transformer, ids: list[int]) -> Tensor:
    """Return the last states [N, D] of every token that a model reads: those of an encoder first."""
    runs = {"encoder": ids[:READ], "decoder": ids[-WRITTEN:] if model.config.family == "encoder_decoder" else ids}
    made = {name: stream([[np.array(runs[name])]], len(runs[name]), 0) for name in model.config.stacks}
    batch = place(Batch(made.get("encoder"), made.get("decoder"), {}), "cpu")
    states = model(batch, both=True)
    decoded, *encoded = states if isinstance(states, tuple) else (states,)
    return torch.cat([*encoded, decoded], dim=1)[0]


@torch.no_grad()
def influence(family: str) -> list[list[int]]:
    """Return a matrix [N, N]: 1 where a real model's output at the row's token depends on the column's token."""
    torch.manual_seed(0)
    small = merge(tree(family, 64, 2, 64), {"init": "normal"})
    model = Transformer(parse(ModelConfig, small, family)).eval()
    ids = [*range(10, 10 + READ + (WRITTEN if family == "encoder_decoder" else 0))]
    before, columns = output(model, ids), []
    for at in range(len(ids)):
        after = output(model, [*ids[:at], 50, *ids[at + 1 :]])
        columns.append(((after - before).abs().amax(dim=1) > 1e-6).int())
    return torch.stack(columns, dim=1).tolist()


def exact() -> Numbers:
    """Return for each family the share of pairs that see each other, its parameters, and what a row of 256 gives."""
    found: dict[str, Any] = {}
    for family in FAMILIES:
        config = parse(ModelConfig, tree(family, VOCAB_SIZE, LAYERS, WIDTH), family)
        found[f"seen_{family}"] = float(np.mean(influence(family)))
        found[f"parameters_{family}"] = sum(parameters(config).values())
        found[f"targets_{family}"] = int(sizes(family)["targets"])
        found[f"gflop_{family}"] = row_flops(config, **sizes(family)) / 1e9
    return found


def drawing(numbers: Numbers) -> Any:
    """Return the matrix of each family."""
    return {"read": READ, "families": {family: influence(family) for family in FAMILIES}}


LESSON = Lesson("families", exact, drawing)
