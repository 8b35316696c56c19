"""Samples: the first rows as a model is trained on them, the prompt in grey, the trained answer in colour.

Where the output has no colours, the trained answer stands between « and ».
"""

from collections.abc import Mapping
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
    console, talk = console or Console(highlight=False), isinstance(recipe.objective, Instruct)
    colours = console.color_system is not None
    legend = Text.assemble(("the prompt", "dim"), ", ", _learned("what is trained", colours))
    for path in recipe.data.path:
        if talk:
            notes = Notes()
            rows = list(islice(read_conversations([path], recipe.data.rows, notes=notes), ROWS))
            kinds = ", ".join(notes.files[path].kinds) or "nothing: no row fits"
            console.print(f"{path}: rows are read as {kinds};", legend, soft_wrap=True)
            for where, conversation in rows:
                text = painted(render(conversation.complete(), model.tokenizer), model.tokenizer, colours)
                console.print(Text(f"{where}: ", "cyan") + text, soft_wrap=True)
        else:
            task = by_objective(recipe.objective)
            record = task.record_of(model)
            console.print(f"{path}: rows are read as records of the task {task.kind};", legend, soft_wrap=True)
            for where, row, _ in islice(chosen(path, recipe.data.rows, record), ROWS):
                console.print(Text(f"{where}: ", "cyan") + _record(record.flat(row), record, colours), soft_wrap=True)
    for line in differences(model.tokenizer) if talk else ():
        console.print(Text(line, "yellow"), soft_wrap=True)


def painted(segments: list[Segment], tokenizer: Tokenizer, colours: bool = True) -> Text:
    """Return a rendered conversation; the trained parts are coloured, or stand between « and »."""
    text = Text()
    for segment in segments:
        said = tokenizer.decode(segment.ids)
        said = said if len(said) <= LONGEST else f"{said[: LONGEST // 2]} ... {said[-LONGEST // 2 :]}"
        text.append(_learned(said, colours) if segment.train else Text(said, "dim"))
    return text


def _learned(text: str, colours: bool) -> Text:
    """Return what is trained, in colour or between marks."""
    return Text(text, "bold green") if colours else Text(f"«{text}»")


def _record(row: Mapping[str, Any], kind: type[Record], colours: bool) -> Text:
    """Return the keys of a record as text; its answer is coloured."""
    text, learned = Text(), kind.keys(row).get(kind.answer_field)
    for key, value in row.items():
        text.append(f"{'; ' if text else ''}{key}: ", "dim")
        shown = f"{value!s:.{LONGEST}}"
        text.append(_learned(shown, colours) if key == learned else Text(shown, "dim"))
    return text
