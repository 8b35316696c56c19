"""Targets of rows: read as text they are the answers and their end tokens, whatever the form of the row."""

import numpy as np
import pytest

from trivium.base.types import IGNORE
from trivium.study.course.lessons import labels


@pytest.fixture(scope="module")
def known():
    return labels.tokenizer()


def text(known, example):
    """The targets of an example as text."""
    return known.decode([int(i) for i in example.targets["token"] if i != IGNORE])


@pytest.mark.parametrize(
    ("form", "options", "start", "expected"),
    [
        ("single", {}, None, [["The dog.<|end|>"]]),
        ("turns", {}, None, [["The dog.<|end|>The cat.<|end|>"]]),
        ("turns", {"train": "last"}, None, [["The cat.<|end|>"]]),
        ("turns", {}, 0, [["The dog.<|end|>"], ["The cat.<|end|>"]]),
        ("references", {}, None, [["The dog.<|end|>", "The cat.<|end|>", "A small dog.<|end|>"]]),
        (
            "references",
            {"references": "all"},
            None,
            [["The dog.<|end|>"], ["The cat.<|end|>"], ["A small dog.<|end|>"]],
        ),
        ("references", {"references": "best"}, None, [["The dog.<|end|>"]]),
    ],
)
def test_targets_are_the_answers(known, form, options, start, expected):
    made = labels.items(labels.FORMS[form], known, start, **options)
    assert [[text(known, one) for one in item] for item in made] == expected


def test_several_answers_count_as_one_row(known):
    made = labels.items(labels.FORMS["references"], known, references="all")
    assert sum(float(item[0].weights[0]) for item in made) == pytest.approx(1.0)


def test_a_target_is_the_next_token(known):
    for form in labels.FORMS.values():
        ((example, *_), *_) = labels.items(form, known)
        valid = np.flatnonzero(example.targets["token"] != IGNORE)
        assert valid[-1] == len(example) - 2
        assert (example.targets["token"][valid] == example.dec[valid + 1]).all()


def test_the_question_is_trained_only_where_the_row_says_so(known):
    alone, every = (
        labels.items(labels.fact("cow", np.random.default_rng(0), one), known)[0][0] for one in (False, True)
    )
    assert text(known, alone) == "It eats grass.<|end|>"
    assert text(known, every).endswith("What does the cow eat?<|end|>It eats grass.<|end|>")


def test_packing_keeps_every_example_and_pads_less():
    numbers, grids = labels.exact(), labels.drawing({})["grids"]
    targets = [sum(one is not None for row in grids[name]["targets"] for one in row) for name in ("pad", "bestfit")]
    assert targets[0] == targets[1] and numbers["rows_pad"] == 8 > numbers["rows_bestfit"]
    documents = np.array(grids["bestfit"]["documents"])
    assert numbers["padding_bestfit"] == pytest.approx((documents == 0).mean())
