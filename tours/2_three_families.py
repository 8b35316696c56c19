"""Tour 2: three families on one core. Run it: python tours/2_three_families.py

The tour builds BERT, LLaMA and T5, trains each for a few steps, and prints them side by side. They differ in their
attention patterns, their stacks and their objectives. All other code is the same.
"""

import string

import numpy as np
import torch

import trivium
from trivium.base.batch import Batch, collate
from trivium.base.seeds import generator
from trivium.base.types import IGNORE
from trivium.model.attention.pattern import Pattern, Where
from trivium.model.device import place
from trivium.objective.objective import Objective
from trivium.token.tokenizer import Tokenizer
from trivium.train.loss.token import TokenLoss

STEPS, LENGTH = 30, 64
FAMILIES = {"bert": "masked", "llama": "causal", "t5": "denoise"}

tokenizer = Tokenizer.train([string.__doc__ or "", *(getattr(str, name).__doc__ or "" for name in dir(str))], 512)
vocabulary = tokenizer.vocabulary
texts = [tokenizer.encode(getattr(str, name).__doc__ or "") for name in dir(str) if not name.startswith("_")][:12]
sentence = tokenizer.encode("Return a copy of the string with all letters in lower case.")


def batch(objective: Objective, step: int) -> Batch:
    """Return every text once, in the form of the objective; each step draws other noise."""
    before, after = objective.frame(vocabulary)
    documents = [np.array([*before, *ids[: LENGTH - 2], *after]) for ids in texts]
    rows = [[objective.piece(ids, None, vocabulary, generator(0, step, at))] for at, ids in enumerate(documents)]
    return place(collate(rows, vocabulary.pad))


def train(model: trivium.Model, objective: Objective) -> tuple[float, float]:
    """Train for a few steps and return the first and the last loss."""
    transformer = model.transformer.train()
    optimizer = torch.optim.AdamW(transformer.parameters(), lr=3e-3)
    losses = []
    for step in range(STEPS):
        given = batch(objective, step)
        total, each, _ = TokenLoss()(transformer.head, transformer(given), given)
        optimizer.zero_grad()
        (total / len(each)).backward()
        optimizer.step()
        losses.append(float(total.detach()) / len(each))
    return losses[0], losses[-1]


def grid(pattern: Pattern, size: int = 8) -> list[str]:
    """Return a picture of a pattern: a row is a query, a column a key."""
    at = torch.arange(size)
    one = torch.ones(size, size, dtype=torch.long)
    allowed = pattern.allow(Where(at[:, None], one), Where(at[None], one)).expand(size, size)
    return ["".join("■ " if seen else "· " for seen in row) for row in allowed.tolist()]


def words(ids: np.ndarray | None) -> str:
    """Return the tokens of ids, separated by bars; a position without a target is a dot."""
    return "|".join("·" if i == IGNORE else tokenizer.token(i).strip() or "_" for i in (() if ids is None else ids))


for preset, kind in FAMILIES.items():
    model = trivium.build(preset, depth=2, vocab_size=tokenizer.size, context=128)
    objective = Objective.parse(kind)
    objective.fits(model.config.family)
    first, last = train(model, objective)
    size = sum(parameter.numel() for parameter in model.transformer.parameters())
    print(f"\n{'=' * 100}\n{preset}: {model.config.family.replace('_', '-')}, {size:,} parameters\n")
    grids = {name: grid(stack.pattern[0]) for name, stack in model.config.stacks.items()}
    print("mask      " + "".join(f"{name + ' sees itself':24}" for name in grids))
    for line in zip(*grids.values(), strict=True):
        print("          " + "".join(f"{cells:24}" for cells in line))
    for name, stack in model.config.stacks.items():
        choices = {"position": stack.position[0], "norm": stack.norm, "residual": stack.residual, "ffn": stack.ffn}
        print(f"stack     {name}: {stack.layers} layers, " + ", ".join(f"{k} {v.kind}" for k, v in choices.items()))
    before, after = objective.frame(vocabulary)
    example = objective.piece(np.array([*before, *sentence, *after]), None, vocabulary, generator(5))
    print(f"objective {kind}")
    for side, ids in {"enc reads": example.enc, "dec reads": example.dec, "targets": example.targets["token"]}.items():
        print(f"          {side:10} {words(ids)}" if ids is not None else f"          {side:10} -")
    print(f"loss      {first:.2f} -> {last:.2f} in {STEPS} steps (the objectives differ: do not compare the losses)")
