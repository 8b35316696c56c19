"""Rows of fine-tuning: which tokens of them are targets, how they are padded or packed, and what the mask is worth."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from trivium import api
from trivium.base.batch import Batch, collate
from trivium.base.seeds import generator
from trivium.base.types import IGNORE, Example
from trivium.data.rows import ExampleRows, Packing
from trivium.model.device import evaluating, place
from trivium.objective.instruct import Instruct
from trivium.rows.read import conversation, parse, recognise
from trivium.rows.supervised import ExampleMaker
from trivium.study.course.lesson import Lesson, Numbers
from trivium.token.tokenizer import Tokenizer
from trivium.train.loss.token import TokenLoss

Row = Mapping[str, Any]

FORMS: dict[str, Row] = {
    "single": {"context": "Cats purr. Dogs bark.", "question": "Which animal barks?", "answer": "The dog."},
    "turns": {
        "dialogue": [
            {"speaker": "user", "text": "Which animal barks?"},
            {"speaker": "assistant", "text": "The dog."},
            {"speaker": "user", "text": "Which animal purrs?"},
        ],
        "response": "The cat.",
    },
    "references": {"instruction": "Name an animal.", "input": "", "outputs": ["The dog.", "The cat.", "A small dog."]},
}
"""A row of each form: one question, several turns, several right answers."""
CHOICES: dict[str, list[dict[str, Any]]] = {
    "single": [{}],
    "turns": [{"train": "all"}, {"train": "last"}],
    "references": [{"references": "sample"}, {"references": "all"}, {"references": "best"}],
}
LENGTH, STEPS, ROWS = 64, 80, 8
FACTS = {
    "cow": "grass", "owl": "mice", "bee": "honey", "seal": "fish", "panda": "bamboo", "ape": "fruit", "hen": "corn",
    "mole": "worms", "goat": "leaves", "bear": "berries", "frog": "flies", "crow": "seeds",
}  # fmt: skip


def fact(animal: str, rng: np.random.Generator, every: bool = False) -> Row:
    """Return a row about an animal, behind a note of random digits; with `every` the question is trained too."""
    asked = f"Note {' '.join(map(str, rng.integers(10, size=6)))}. What does the {animal} eat?"
    return {
        "messages": [
            {"role": "user", "content": asked, "train": every},
            {"role": "assistant", "content": f"It eats {FACTS[animal]}."},
        ]
    }


def words() -> Iterator[str]:
    """Yield the texts of all rows."""
    yield from ("Cats purr. Dogs bark.", "Which animal barks?", "Which animal purrs?", "Name an animal.")
    yield from ("The dog.", "The cat.", "A small dog.")
    for animal, food in FACTS.items():
        yield from (f"Note 1 2. What does the {animal} eat?", f"It eats {food}.")


def tokenizer() -> Tokenizer:
    """Return a tokenizer in which most words of the rows are one token."""
    return Tokenizer.train([*words(), Instruct.__doc__ or ""] * 4, 512)


def items(row: Row, known: Tokenizer, start: int | None = None, **options: Any) -> list[list[Example]]:
    """Return what is trained of a row, as `finetune chat` makes it: items, each a list of alternatives.

    `start` is the first id of a decoder beside an encoder; None is a decoder alone.
    """
    return ExampleMaker(known, Instruct(**options), LENGTH, start).items(conversation(parse(row, recognise(row))))


def targets(example: Example) -> int:
    """Return how many targets an example has."""
    return int((example.targets["token"] != IGNORE).sum())


def packed(known: Tokenizer, packing: Packing) -> list[list[Example]]:
    """Return the rows of the three forms and of five facts, padded or packed."""
    rng = generator(3)
    rows = [*FORMS.values(), *(fact(animal, rng) for animal in [*FACTS][:5])]
    made = ExampleRows([item for row in rows for item in items(row, known)], LENGTH, packing=packing)
    return [made.row(0, index) for index in range(made.size(0))]


def exact() -> Numbers:
    """Return tokens and targets of each form, and how full rows are, padded and packed."""
    known, found = tokenizer(), dict[str, Any]()
    for form, row in FORMS.items():
        ((example, *_), *_) = items(row, known)
        found |= {f"tokens_{form}": len(example), f"targets_{form}": targets(example)}
    for packing in ("pad", "bestfit"):
        rows = packed(known, packing)  # type: ignore[arg-type]
        width = max(sum(map(len, row)) for row in rows) if packing == "pad" else LENGTH
        full = sum(len(example) for row in rows for example in row)
        found |= {f"rows_{packing}": len(rows), f"padding_{packing}": 1 - full / (width * len(rows))}
    return found


def batch(known: Tokenizer, seed: int, every: bool, animals: list[str]) -> Batch:
    """Return facts as a batch, each behind another note."""
    rng = generator(seed)
    rows = [items(fact(animal, rng, every), known)[0] for animal in animals]
    return place(collate(rows, known.vocabulary.pad), torch.device("cpu"))


def learned(known: Tokenizer, every: bool) -> tuple[float, float, float]:
    """Train a model on facts; return the share of targets, and the loss and the hits of answers behind new notes."""
    torch.manual_seed(0)
    made = api.build("llama", layers=2, heads=2, kv_heads=2, hidden_size=64, vocab_size=known.size, context=LENGTH)
    transformer, names = made.transformer.train(), [*FACTS]
    optimizer = torch.optim.AdamW(transformer.parameters(), lr=3e-3)
    count = tokens = 0.0
    for step in range(STEPS):
        drawn = [names[at] for at in generator(1, step).integers(len(names), size=ROWS)]
        given = batch(known, 1000 + step, every, drawn)
        loss = TokenLoss()(transformer.head, transformer(given), given)
        optimizer.zero_grad()
        (loss.total / given.count()).backward()
        optimizer.step()
        count, tokens = count + given.count(), tokens + given.tokens()
    asked = batch(known, 7, False, names * 2)
    with evaluating(transformer):
        hidden = transformer(asked)
        loss = TokenLoss()(transformer.head, hidden, asked)
        valid = asked.targets["token"] != IGNORE
        right = transformer.logits(hidden)[valid].argmax(-1) == asked.targets["token"][valid]
    return count / tokens, float(loss.losses.mean()), float(right.float().mean())


def measured(scratch: Path) -> Numbers:
    """Train two models for the same steps: one on answers alone, one on every text of the rows."""
    known, found = tokenizer(), dict[str, Any]()
    for name, every in (("answers", False), ("all", True)):
        share, loss, right = learned(known, every)
        found |= {f"share_{name}": share, f"loss_{name}": loss, f"right_{name}": right}
    return found


def told(example: Example, known: Tokenizer) -> dict[str, Any]:
    """Return an example as its drawing shows it."""
    found: dict[str, Any] = {
        "dec": [known.token(int(i)) for i in example.dec],  # type: ignore[union-attr]
        "targets": [None if i == IGNORE else known.token(int(i)) for i in example.targets["token"]],
        "weight": 1.0 if example.weights is None else float(example.weights[0]),
    }
    return found if example.enc is None else {**found, "enc": [known.token(int(i)) for i in example.enc]}


def drawing(numbers: Numbers) -> Any:
    """Return the examples of each form for both families, and the two ways to lay examples into rows."""
    known = tokenizer()
    forms: dict[str, Any] = {}
    for form, row in FORMS.items():
        forms[form] = {}
        for family, start in (("decoder", None), ("pair", known.vocabulary.pad)):
            forms[form][family] = {
                "-".join(choice.values()) or "all": [
                    [told(one, known) for one in item] for item in items(row, known, start, **choice)
                ]
                for choice in CHOICES[form]
            }
    grids = {}
    for packing in ("pad", "bestfit"):
        rows = packed(known, packing)  # type: ignore[arg-type]
        made = collate(rows, known.vocabulary.pad, LENGTH if packing == "bestfit" else None)
        grids[packing] = {
            "documents": made.stream.documents.tolist(),
            "tokens": [[known.token(int(i)) for i in one] for one in made.stream.ids],
            "targets": [[None if i == IGNORE else known.token(int(i)) for i in one] for one in made.targets["token"]],
        }
    return {"forms": forms, "grids": grids}


LESSON = Lesson("labels", exact, drawing, measured)
