"""Conversations in files become rows of Examples: text reads and renders them, the objective masks them."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from trivium.base.types import Example
from trivium.data.rows import ExampleRows, Packing
from trivium.objective.instruct import Instruct
from trivium.text.rows import Conversation, read_rows
from trivium.text.template import render
from trivium.text.tokenizer import Tokenizer


def conversation_rows(
    paths: Iterable[str | Path],
    tokenizer: Tokenizer,
    objective: Instruct,
    length: int,
    seed: int = 0,
    packing: Packing = "bestfit",
) -> tuple[ExampleRows, Counter[str]]:
    """Render every row of the files; give the rows and, by reason, how many were dropped.

    A conversation longer than `length` is dropped, never cut: a cut one would train an answer without its end or
    without its question.
    """
    choices: list[list[Example]] = []
    dropped: Counter[str] = Counter()
    for _, conversation in read_rows(paths):
        examples = render_references(conversation, tokenizer, objective)
        fitting = [example for example in examples if len(example) <= length]
        if not fitting:
            dropped[f"longer than {length} tokens"] += 1
        elif objective.references == "all":
            choices += [[example] for example in fitting]
        else:
            choices.append(fitting)
    return ExampleRows(choices, length, seed, packing), dropped


def render_references(conversation: Conversation, tokenizer: Tokenizer, objective: Instruct) -> list[Example]:
    """One Example for each right answer; with `references="all"` each counts 1/k."""
    count = len(conversation.references)
    weight = 1.0 / count if objective.references == "all" else 1.0
    return [
        objective.dialogue(render(conversation.complete(reference), tokenizer), weight) for reference in range(count)
    ]
