import random

import pytest
from conlleval import evaluate

from trivium.task.metric.label import entities, entity_metrics, label_metrics


def test_labels_beside_their_definitions():
    found, right = [("a",), ("a",), ("b",), ("b",)], [("a",), ("b",), ("b",), ("b",)]
    scores = label_metrics(found, right, ("a", "b", "c"))
    assert scores["accuracy"] == 0.75 and scores["confusion"] == [[1, 0, 0], [1, 2, 0], [0, 0, 0]]
    assert scores["macro_f1"] == pytest.approx((2 / 3 + 4 / 5) / 2), "a label that never occurs does not count"


def test_several_labels_must_all_be_right():
    scores = label_metrics([("a", "b"), ()], [("b", "a"), ("a",)], ("a", "b"))
    assert scores["accuracy"] == 0.5 and "confusion" not in scores


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


def test_macro_f1_is_the_mean_over_labels_whatever_their_numbers():
    right = [str(i % 3) for i in range(40)]
    found = [str(i * i % 3) for i in range(40)]  # 14 zeros are right, 13 ones too, and 13 twos are called one
    scores = label_metrics([(a,) for a in found], [(b,) for b in right], ("0", "1", "2"))
    assert scores["macro_f1"] == pytest.approx((1 + 2 / 3 + 0) / 3) and scores["accuracy"] == 27 / 40


def test_what_is_none_of_the_labels_is_wrong_and_a_column_of_its_own():
    scores = label_metrics([("a",), ("?",)], [("a",), ("b",)], ("a", "b"), "?")
    assert scores["accuracy"] == 0.5 and scores["macro_f1"] == 0.5
    assert scores["labels"] == ["a", "b", "?"] and scores["confusion"] == [[1, 0, 0], [0, 0, 1]]
