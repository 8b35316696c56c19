import random

import pytest
from conlleval import evaluate

from trivium.task.metric.entity import entities, entity_metrics


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("B-x I-x O B-x", [(0, 2, "x"), (3, 4, "x")]),
        ("I-x I-x I-y", [(0, 2, "x"), (2, 3, "y")]),
        ("B-x B-x", [(0, 1, "x"), (1, 2, "x")]),
        ("O O", []),
        ("NN VB", [(0, 1, "NN"), (1, 2, "VB")]),
    ],
)
def test_entities_are_those_of_conlleval(tags, expected):
    assert entities(tags.split()) == expected


def test_entities_score_as_by_conlleval():
    draw = random.Random(0)
    tags = ["O", *(f"{mark}-{kind}" for mark in "BI" for kind in "xyz")]
    for _ in range(100):
        right = [draw.choices(tags, k=draw.randint(1, 9)) for _ in range(3)]
        found = [[tag if draw.random() < 0.6 else draw.choice(tags) for tag in row] for row in right]
        lines = []
        for row, other in zip(right, found, strict=True):
            lines += [*(f"word {a} {b}" for a, b in zip(row, other, strict=True)), ""]
        official = evaluate(lines)["overall"]["chunks"]["evals"]
        ours = entity_metrics(found, right)
        assert (ours["precision"], ours["recall"], ours["entity_f1"]) == pytest.approx(
            (official["prec"], official["rec"], official["f1"])
        ), (right, found)


def test_an_entity_counts_whole():
    scores = entity_metrics([["B-x", "O", "B-y"]], [["B-x", "I-x", "B-y"]])
    assert (scores["precision"], scores["recall"], scores["entity_f1"]) == (0.5, 0.5, 0.5)
    assert scores["accuracy"] == pytest.approx(2 / 3)
