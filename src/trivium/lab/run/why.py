"""Why: the documents of a step of a run, and the held-out documents that cost most, each with its loss."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch

from trivium import api
from trivium.base.batch import collate
from trivium.base.config import parse
from trivium.base.errors import ConfigError, DataError
from trivium.base.files import read_json
from trivium.base.log import columns, result, say, watched
from trivium.base.types import Example
from trivium.data.loader import Loader
from trivium.data.rows import Rows
from trivium.model.adapt import adapt
from trivium.model.device import evaluating, place
from trivium.task.feed import open_rows
from trivium.task.run import count_steps
from trivium.task.start import row_length, start_model
from trivium.train.checkpoint import checkpoints, find, load_checkpoint
from trivium.train.recipe import Recipe

LONGEST = 60
"""The most characters of a text that are shown."""


class Cost(NamedTuple):
    """What an example of a row costs a model."""

    loss: float
    """Mean nats per target; not a number where the example has none."""
    targets: int
    tokens: int
    origin: str
    text: str


class Replay:
    """The model and the rows of a run, as they were at the beginning."""

    def __init__(self, run: Path) -> None:
        """Read a run folder; a DataError where it is none."""
        if not (run / "recipe.json").is_file():
            raise DataError(f"{run}: expected a run folder, found no recipe.json in it")
        self.run = run
        self.recipe = parse(Recipe, read_json(run / "recipe.json")["recipe"], f"{run / 'recipe.json'}")
        self.model: api.Model = start_model(self.recipe)
        self.length = row_length(self.recipe, self.model)
        self.rows, self.valid = open_rows(self.recipe, self.model, self.length)
        if self.recipe.lora is not None:
            torch.manual_seed(self.recipe.seed)
            adapt(self.model.transformer, self.recipe.lora)

    def step(self, step: int) -> list[Cost]:
        """Return the examples of a step, dearest first, by the weights that are kept of the last step before it.

        A ConfigError for a step that the run has not.
        """
        recipe, pad = self.recipe, self.model.tokenizer.vocabulary.pad
        loader = Loader(self.rows, recipe.step_rows(self.length), recipe.micro_rows or 1, pad, recipe.seed)
        # A run by the clock has as many steps as it took.
        steps = count_steps(recipe, loader) or max(checkpoints(self.run / "checkpoints"), default=0)
        if not 1 <= step <= steps:
            raise ConfigError(f"--step: the run has the steps 1 to {steps:,}, found {step:,}")
        self.load(step - 1)
        first = (step - 1) * loader.step_rows
        last = min(first + loader.step_rows, loader.samples or first + loader.step_rows)
        return self._dearest(self.rows, [loader.locate(sample) for sample in range(first, last)])

    def worst(self) -> list[Cost]:
        """Return the examples of the held-out rows, dearest first, by the last weights. A DataError without rows."""
        if self.valid is None:
            raise DataError(f"{self.run}: the run has no held-out rows")
        rows, _ = self.valid
        self.load(None)
        return self._dearest(rows, [(0, index) for index in range(rows.size(0))])

    def load(self, most: int | None) -> None:
        """Load the newest checkpoint of at most `most` steps, and say which one; without one the weights stay."""
        root = self.run / "checkpoints"
        known = [step for step in checkpoints(root) if most is None or step <= most]
        if known and (folder := find(root, max(known))) is not None:
            model = self.model.transformer
            load_checkpoint(folder, model, self.recipe.optim.chosen(model, self.recipe.batch_tokens).build(model))
        say(f"losses by the weights after step {max(known, default=0):,}")

    def _dearest(self, rows: Rows, places: list[tuple[int, int]]) -> list[Cost]:
        found = []
        for place_ in watched(places, "scoring rows", "rows"):
            pairs = zip(rows.row(*place_), rows.origins(*place_), strict=True)
            found += [self._cost(example, origin) for example, origin in pairs]
        return sorted(found, key=lambda cost: -cost.loss if cost.targets else 1.0)

    def _cost(self, example: Example, origin: str) -> Cost:
        """Return what an example costs alone; examples of a row never see each other."""
        model, tokenizer = self.model.transformer, self.model.tokenizer
        batch = place(collate([[example]], tokenizer.vocabulary.pad), model.tokens.weight.device)
        with evaluating(model):
            losses = self.recipe.loss.plain()(model.head, model(batch), batch).losses
        ids = batch.read.ids[batch.read.documents > 0].tolist()
        mean = float(losses.double().mean()) if len(losses) else float("nan")
        return Cost(mean, len(losses), batch.tokens(), origin, tokenizer.decode(ids, skip_special=True))


def lines(costs: list[Cost], most: int) -> Iterator[str]:
    """Yield a table of the dearest examples, and how many there are."""
    rows = [["where", "nats/target", "targets", "tokens", "text"]]
    rows += [
        [one.origin, f"{one.loss:.3f}", str(one.targets), str(one.tokens), repr(one.text[:LONGEST])]
        for one in costs[:most]
    ]
    yield from columns(rows)
    targets = sum(one.targets for one in costs)
    total = sum(one.loss * one.targets for one in costs if one.targets)
    yield f"{len(costs):,} examples, {targets:,} targets, {total / max(1, targets):.4f} nats per target"


def tell(run: Path, step: int | None, worst: int | None) -> None:
    """Print the examples of a step of a run, or the `worst` held-out ones."""
    replay = Replay(run)
    costs = replay.step(step) if step is not None else replay.worst()
    for line in lines(costs, len(costs) if worst is None else worst):
        result(line)
