"""Samples: the first rows as a model is trained on them, the prompt in grey, the trained answer in colour."""

from itertools import islice
from typing import Any

from rich.console import Console
from rich.text import Text

from trivium import api
from trivium.base.types import Segment
from trivium.objective.instruct import Instruct
from trivium.rows.notes import Notes
from trivium.rows.read import chosen, read_conversations
from trivium.rows.record import Record
from trivium.task.task import by_objective
from trivium.token.template import differences, render
from trivium.token.tokenizer import Tokenizer
from trivium.train.recipe import Recipe

ROWS = 3
LONGEST = 400
"""The most characters of a segment or value that are shown."""


def show_samples(model: api.Model, recipe: Recipe, console: Console | None = None) -> None:
    """Print the format of the rows of each file, and the first rows."""
    console, tokenizer = console or Console(highlight=False), model.tokenizer
    talk = isinstance(recipe.objective, Instruct)
    legend = "[dim]the prompt[/], [bold green]what is trained[/]"
    for path in recipe.data.path:
        if talk:
            console.print(f"{path}: rows are read as {_format(path, recipe)}; {legend}", soft_wrap=True)
            for where, conversation in islice(read_conversations([path], recipe.data.rows), ROWS):
                text = painted(render(conversation.complete(), tokenizer), tokenizer)
                console.print(Text(f"{where}: ", "cyan") + text, soft_wrap=True)
        else:
            task = by_objective(recipe.objective)
            console.print(f"{path}: rows are read as records of the task {task.kind}; {legend}", soft_wrap=True)
            for where, row, _ in islice(chosen(path, recipe.data.rows, task.record), ROWS):
                console.print(Text(f"{where}: ", "cyan") + _record(row, task.record), soft_wrap=True)
    for line in differences(tokenizer) if talk else ():
        console.print(Text(line, "yellow"), soft_wrap=True)


def painted(segments: list[Segment], tokenizer: Tokenizer) -> Text:
    """Return a rendered conversation; the trained parts are coloured."""
    text = Text()
    for segment in segments:
        said = tokenizer.decode(segment.ids)
        said = said if len(said) <= LONGEST else f"{said[: LONGEST // 2]} ... {said[-LONGEST // 2 :]}"
        text.append(said, "bold green" if segment.train else "dim")
    return text


def _format(path: str, recipe: Recipe) -> str:
    """Return the format of the first row that fits."""
    notes = Notes()
    next(read_conversations([path], recipe.data.rows, notes=notes), None)
    return next(iter(notes.files[path].kinds), "nothing: no row fits")


def _record(row: dict[str, Any], kind: type[Record]) -> Text:
    """Return the keys of a record as text; its answer is coloured."""
    text, learned = Text(), kind.keys(row).get(kind.answer_field)
    for key, value in row.items():
        text.append(f"{'; ' if text else ''}{key}: ", "dim")
        text.append(f"{value!s:.{LONGEST}}", "bold green" if key == learned else "dim")
    return text
