"""What is planned: the model of a recipe without its weights, and the rows of its first step.

Rows are those of the recipe where its data are on this machine. For a fresh model that reads documents they may be
elsewhere: then a row is two documents of chance ids, framed and hidden by the real objective.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from trivium import api
from trivium.base.errors import ConfigError
from trivium.base.seeds import late
from trivium.base.types import Example, Vocabulary
from trivium.data.rows import Rows
from trivium.model.config import ModelConfig
from trivium.model.transformer import Transformer
from trivium.model.weights import empty
from trivium.objective.objective import Objective
from trivium.rows.notes import Notes
from trivium.task.feed import open_rows
from trivium.task.start import fitting, fresh_tokenizer, row_length, start_model
from trivium.train.recipe import Recipe


class Planned(NamedTuple):
    """The model and the rows of a run."""

    model: Transformer
    rows: Rows
    length: int
    """The most tokens of a row."""
    pad: int
    real: bool
    """Whether the rows are those of the recipe."""


def subject(recipe: Recipe) -> Planned:
    """Return what a recipe trains on what.

    A ConfigError names what is missing: a model that is no folder, or data whose rows cannot be made up.
    """
    documents, paths = recipe.objective.reads == "documents", [Path(path) for path in recipe.data.path]
    if recipe.model is not None and documents:
        recipe.objective.fits(recipe.model.family, recipe.model.pictures is not None)
        length = fitting(recipe.data.length, recipe.model, "data.length")
        if not all((path / "manifest.json").is_file() for path in paths):
            made = MadeRows(recipe.objective, recipe.model, length, recipe.data.isolate)
            return Planned(empty(recipe.model), made, length, made.vocabulary.pad, False)
        model = api.Model(empty(recipe.model), fresh_tokenizer(recipe))
    else:
        if gone := next((path for path in paths if not path.exists() and ":" not in str(path)), None):
            raise ConfigError(f"{gone}: no such file of rows; rows of this objective cannot be made up: give data.path")
        model = start_model(recipe)
        length = row_length(recipe, model)
    rows, _ = open_rows(recipe, model, length, Notes())
    return Planned(model.transformer, rows, length, model.vocabulary.pad, True)


class MadeRows:
    """Rows of two documents of chance ids, which fill them to the last token."""

    def __init__(self, objective: Objective, config: ModelConfig, length: int, isolate: bool) -> None:
        size = config.vocab_size
        if size < 128:
            raise ConfigError(
                f"model.vocab_size: expected at least 128 to make up rows, found {size}; or give the data"
            )
        few = range(5, min(105, size // 2))
        self.vocabulary = Vocabulary(
            size, 0, 1, 2, 4, tuple(few), frozenset(range(few.stop)), *[np.ones(size, bool)] * 2
        )
        self.objective, self.length, self.parts = objective, length, 2 if isolate and length > 8 else 1
        objective.frame(self.vocabulary)

    def size(self, epoch: int) -> int:
        return 1 << 40

    def row(self, epoch: int, index: int) -> list[Example]:
        rng = late(0, epoch, index)
        first = len(self.vocabulary.sentinels) + 5
        raw = self.objective.room(self.length // self.parts)
        pieces = [rng.integers(first, self.vocabulary.size, raw) for _ in range(self.parts)]
        return [self.objective.piece(ids, None, self.vocabulary, rng) for ids in pieces]

    def origins(self, epoch: int, index: int) -> list[str]:
        return ["made up"] * self.parts
