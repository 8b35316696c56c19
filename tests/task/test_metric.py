"""Exact match and ROUGE-L: by hand, and beside the reference implementation."""

import random

import pytest

from trivium.task.metric import exact_match, rouge_l

WORDS = ["a", "b", "c", "d", "e", "F,", "g."]


def test_exact_match_is_any_reference_with_space_around_it_aside() -> None:
    assert exact_match(" a b\n", ["x", "a b"]) == 1.0
    assert exact_match("a  b", ["a b"]) == 0.0
    assert exact_match("", []) == 0.0


def test_rouge_l_by_hand() -> None:
    assert rouge_l("the cat sat", ["the cat ran"]) == pytest.approx(2 / 3)
    assert rouge_l("a b c d", ["x", "a c"]) == pytest.approx(2 * 0.5 * 1 / 1.5)
    assert rouge_l("...", ["a"]) == 0.0


def test_rouge_l_is_the_reference_implementation() -> None:
    scorer = pytest.importorskip("rouge_score.rouge_scorer").RougeScorer(["rougeL"])
    draw = random.Random(0)
    for _ in range(200):
        said, right = (
            " ".join(draw.choices(["a", "b", "c", "d", "e", "F,", "g."], k=draw.randint(0, 9))) for _ in range(2)
        )
        assert rouge_l(said, [right]) == pytest.approx(scorer.score(right, said)["rougeL"].fmeasure)
