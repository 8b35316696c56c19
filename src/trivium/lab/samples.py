"""The first rows as a model will be trained on them: what it is told in grey, what it learns to say in colour."""

from itertools import islice
from typing import Any

from rich.console import Console
from rich.text import Text

from trivium.base.types import Segment
from trivium.objective.instruct import Instruct
from trivium.task.task import by_objective
from trivium.text.record import records
from trivium.text.rows import read_rows, recognise
from trivium.text.template import render
from trivium.text.tokenizer import Tokenizer
from trivium.train.recipe import Recipe

ROWS = 3
LONGEST = 400
"""Characters of a segment or value that are shown."""


def show_samples(recipe: Recipe, console: Console | None = None) -> None:
    """Print what the rows are taken for, and the first of them."""
    console = console or Console(highlight=False)
    first = next(iter(records(recipe.data.path[0], recipe.data.rows.columns)), None)
    if first is None or recipe.init is None:
        return
    if isinstance(recipe.objective, Instruct):
        kind = recognise(first[1], first[0], recipe.data.rows.format).kind
        console.print(f"rows are read as {kind}; [dim]what the model is told[/], [bold green]what it learns to say[/]")
        tokenizer = Tokenizer.load(recipe.init)
        for where, conversation in islice(read_rows(recipe.data.path, recipe.data.rows), ROWS):
            console.print(Text(f"{where}: ", "cyan") + painted(render(conversation.complete(), tokenizer), tokenizer))
        return
    console.print(f"rows are read as records of the task {by_objective(recipe.objective).kind}")
    for where, row in islice(records(recipe.data.path[0]), ROWS):
        console.print(Text(f"{where}: ", "cyan") + Text(_short(row), "dim"))


def painted(segments: list[Segment], tokenizer: Tokenizer) -> Text:
    """A rendered conversation; the trained parts stand out."""
    text = Text()
    for segment in segments:
        said = tokenizer.decode(segment.ids)
        said = said if len(said) <= LONGEST else f"{said[: LONGEST // 2]} ... {said[-LONGEST // 2 :]}"
        text.append(said, "bold green" if segment.train else "dim")
    return text


def _short(row: dict[str, Any]) -> str:
    return "; ".join(f"{key}: {value!s:.{LONGEST}}" for key, value in row.items())
