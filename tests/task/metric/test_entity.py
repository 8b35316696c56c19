import random

import pytest
from conlleval import evaluate

from trivium.task.metric.entity import entities, entity_metrics, scheme_of, strict_entities


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("B-x I-x O B-x", [(0, 2, "x"), (3, 4, "x")]),
        ("I-x I-x I-y", [(0, 2, "x"), (2, 3, "y")]),
        ("B-x B-x", [(0, 1, "x"), (1, 2, "x")]),
        ("O O", []),
        ("NN VB", [(0, 1, "NN"), (1, 2, "VB")]),
        ("B I O B", [(0, 2, ""), (3, 4, "")]),
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


@pytest.mark.parametrize(
    ("scheme", "rows"),
    [
        ("iob2", ["B-x I-x O B-y", "B-x B-x"]),
        ("iob1", ["I-x I-x O I-y", "I-x B-x"]),
        ("iob1", ["I-x I-y"]),
        ("iobes", ["B-x E-x O S-y"]),
        ("iobes", ["B-x I-x E-x"]),
        ("bilou", ["B-x L-x O U-y"]),
        ("bmes", ["B-x M-x E-x O S-y"]),
        ("bmes", ["B M E S S"]),
        ("iob2", ["B I O B"]),
        ("words", ["NN VB", "O"]),
        ("words", ["O O"]),
        ("words", ["S E"]),
        ("words", [""]),
    ],
)
def test_the_scheme_is_found_from_the_tags(scheme, rows):
    assert scheme_of([row.split() for row in rows]) == scheme


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("B-x I-x E-x O S-y", [(0, 3, "x"), (4, 5, "y")]),
        ("B-x L-x U-y", [(0, 2, "x"), (2, 3, "y")]),
        ("B-x M-x M-x E-x S-x", [(0, 4, "x"), (4, 5, "x")]),
        ("B E S B M E", [(0, 2, ""), (2, 3, ""), (3, 6, "")]),
        # What is not begun or ended by the rules is no entity.
        ("B-x I-x O", []),
        ("B-x", []),
        ("I-x E-x", []),
        ("B-x E-y", []),
        ("B-x I-y E-x", []),
        ("B-x B-x E-x", [(1, 3, "x")]),
        ("B-x S-y E-x", [(1, 2, "y")]),
    ],
)
def test_entities_of_strict_schemes_are_whole(tags, expected):
    assert strict_entities(tags.split()) == expected


@pytest.mark.parametrize(("scheme", "marks"), [("iobes", "BIES"), ("bilou", "BILU")])
def test_strict_schemes_score_as_by_seqeval(scheme, marks):
    metrics = pytest.importorskip("seqeval.metrics", reason="needs pip install seqeval")
    rules = getattr(pytest.importorskip("seqeval.scheme"), scheme.upper())
    draw = random.Random(0)
    tags = ["O", *(f"{mark}-{kind}" for mark in marks for kind in "xy")]
    for _ in range(100):
        right = [draw.choices(tags, k=draw.randint(1, 9)) for _ in range(3)]
        found = [[tag if draw.random() < 0.6 else draw.choice(tags) for tag in row] for row in right]
        official = metrics.f1_score(right, found, mode="strict", scheme=rules, zero_division=0)
        assert entity_metrics(found, right, scheme)["entity_f1"] == pytest.approx(official), (right, found)


@pytest.mark.parametrize("scheme", ["iob2", "iobes", "bmes"])
def test_a_model_that_finds_nothing_has_no_f1(scheme):
    nothing = [["O", "O"]]
    for right in ([["B-x", "E-x"]], nothing):
        scores = entity_metrics(nothing, right, scheme)
        assert scores["entity_f1"] == scores["precision"] == scores["recall"] == 0
