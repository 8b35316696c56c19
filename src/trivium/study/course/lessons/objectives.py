"""Objectives: one sentence as each objective sees it, the targets that each gives, and three families on one text."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from trivium import api
from trivium.base.config import dump, parse
from trivium.base.log import speaking
from trivium.base.seeds import generator
from trivium.base.types import IGNORE, Example
from trivium.data.shards import Corpus
from trivium.model.config import configure
from trivium.objective.causal import CausalLM
from trivium.objective.denoise import SpanCorruption
from trivium.objective.infill import TextInfilling
from trivium.objective.masked import MaskedLM
from trivium.objective.objective import Objective
from trivium.study import cloze, compare
from trivium.study.course import short
from trivium.study.course.lesson import Lesson, Numbers
from trivium.task.run import run
from trivium.token.tokenizer import Tokenizer
from trivium.train.recipe import Recipe

SENTENCE = "The heron waits in the shallow water for an hour and then it takes one small fish."
KINDS: dict[str, tuple[str, Objective]] = {
    "causal": ("llama", CausalLM()),
    "masked": ("bert", MaskedLM()),
    "denoise": ("t5", SpanCorruption()),
    "infill": ("bart", TextInfilling()),
}
"""Each objective with a preset of the family that learns it."""
DRAWS = 8
DOCUMENT = 568
"""Tokens of the document whose targets are counted; without 15 % of them it fills 512 places, as in the T5 paper."""
STEPS, BLANKS = 150, 100


def tokenizer() -> Tokenizer:
    """Return a tokenizer in which each word of the sentence is one token."""
    return Tokenizer.train([SENTENCE] * 20 + [CausalLM.__doc__ or "", MaskedLM.__doc__ or ""] * 2, 512)


def example(objective: Objective, ids: list[int], draw: int, known: Tokenizer) -> Example:
    """Return a document of content ids as an objective makes it, with the noise of a draw."""
    before, after = objective.frame(known.vocabulary)
    return objective.piece(np.array([*before, *ids, *after]), None, known.vocabulary, generator(7, draw))


def exact() -> Numbers:
    """Return how many targets a document has under each objective, and what becomes of the tokens chosen by BERT."""
    known = tokenizer()
    words = known.encode(SENTENCE)
    ids = [words[at % len(words)] for at in range(DOCUMENT)]
    found: dict[str, Any] = {}
    for name, (_, objective) in KINDS.items():
        made = [example(objective, ids, draw, known) for draw in range(DRAWS)]
        targets = [int((one.targets["token"] != IGNORE).sum()) for one in made]
        read = [sum(len(side) for side in (one.enc, one.dec) if side is not None) for one in made]
        found |= {f"targets_{name}": float(np.mean(targets)), f"read_{name}": float(np.mean(read))}
    noise, spans = SpanCorruption().cuts(DOCUMENT)
    return {**found, "cut": noise, "spans": spans}


def trained(scratch: Path, family: str) -> dict[str, Any]:
    """Train a family once in a scratch folder; return its loss, its targets for each token read, and its cloze."""
    folder = short.data(scratch)
    model = compare.tree(family, short.VOCAB_SIZE, layers=2, hidden_size=128)
    tree = {**short.RECIPE, "model": model, "objective": dump(compare.OBJECTIVES[family]), "budget_steps": STEPS}
    tree["data"] = {"path": str(folder), "length": 128}
    out = scratch / f"objectives-{family}"
    with speaking(quiet=True):
        if not (out / "model").is_dir():
            run(parse(Recipe, tree, family), out)
        asked = cloze.blanks(Corpus(folder, "valid").documents(), BLANKS, seed=0)
        right = cloze.accuracy(api.load(out / "model"), asked)
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    last = [line for line in lines if "all_targets" in line][-1]
    share = last["all_targets"] / last["tokens"]
    return {f"loss_{family}": short.outcome(out)["loss"], f"share_{family}": share, f"cloze_{family}": right}


def measured(scratch: Path) -> Numbers:
    """Train three families of the same block on the same text; ask each the same blanks."""
    found: dict[str, Any] = {}
    for family in compare.FAMILIES:
        found |= trained(scratch, family)
    folder = short.data(scratch)
    train, valid = Corpus(folder, "train"), Corpus(folder, "valid")
    asked = cloze.blanks(valid.documents(), BLANKS, seed=0)
    return {**found, "frequent": cloze.frequency_accuracy(train.documents(), asked, short.VOCAB_SIZE)}


def drawing(numbers: Numbers) -> Any:
    """Return the sentence under each objective and draw: what each side reads, its targets, and who sees whom."""
    known = tokenizer()
    ids, found = known.encode(SENTENCE), {}
    for name, (preset, objective) in KINDS.items():
        config = configure(preset, vocab_size=known.size)
        draws = []
        for draw in range(DRAWS):
            made = example(objective, ids, draw, known)
            sides = {"encoder": made.enc, "decoder": made.dec}
            draws.append(
                {
                    "sides": {
                        side: {
                            "tokens": [known.token(int(i)) for i in read],
                            "special": [int(i) in known.special for i in read],
                            "seen": config.stacks[side].pattern[0].draw(len(read)).split("\n"),
                        }
                        for side, read in sides.items()
                        if read is not None
                    },
                    "targets": [None if i == IGNORE else known.token(int(i)) for i in made.targets["token"]],
                }
            )
        found[name] = draws
    return {"sentence": SENTENCE, "kinds": found}


LESSON = Lesson("objectives", exact, drawing, measured)
