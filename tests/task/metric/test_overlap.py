"""Metrics of answers: by hand, and beside the reference implementations."""

import builtins
import random

import pytest

from trivium.base.errors import DataError
from trivium.task.metric import overlap as metric
from trivium.task.metric.overlap import PER_ROW, bleu, chinese, chrf, exact_match, measure

WORDS = ["a", "b", "c", "d", "e", "F,", "g.", "ab-c", "1.5"]

rouge_1, rouge_2, rouge_l = (PER_ROW[f"rouge_{n}"] for n in "12l")


def texts(seed, count, longest=9):
    draw = random.Random(seed)
    return [" ".join(draw.choices(WORDS, k=draw.randint(0, longest))) for _ in range(count)]


def test_exact_match_is_any_reference_with_space_around_it_aside():
    assert exact_match(" a b\n", ["x", "a b"]) == 1.0
    assert exact_match("a  b", ["a b"]) == 0.0
    assert exact_match("", []) == 0.0


def test_rouge_by_hand():
    assert rouge_l("the cat sat", ["the cat ran"]) == pytest.approx(2 / 3)
    assert rouge_l("a b c d", ["x", "a c"]) == pytest.approx(2 * 0.5 * 1 / 1.5)
    assert rouge_1("a b c d", ["x", "a c"]) == pytest.approx(2 / 3) and rouge_2("a b c", ["b c d"]) == 0.5
    assert rouge_l("...", ["a"]) == rouge_1("", ["a"]) == rouge_2("a", ["a"]) == 0.0


def test_chinese_is_measured_by_characters():
    assert rouge_1("我喜欢猫", ["我喜欢狗"]) == 0.75 and rouge_2("我喜欢猫", ["我喜欢狗"]) == pytest.approx(2 / 3)
    assert rouge_l("用GPT写", ["用 gpt 写作"]) == pytest.approx(6 / 7)
    assert chinese([["我喜欢"], ["狗 AI"]]) and not chinese([["only words 狗"]]) and not chinese([["..."]])


@pytest.mark.parametrize(("name", "ours"), [("rouge1", rouge_1), ("rouge2", rouge_2), ("rougeL", rouge_l)])
def test_rouge_is_the_reference_implementation(name, ours):
    scorer = pytest.importorskip("rouge_score.rouge_scorer").RougeScorer([name])
    for said, right, other in zip(texts(0, 150), texts(1, 150), texts(2, 150), strict=True):
        assert ours(said, [right]) == pytest.approx(scorer.score(right, said)[name].fmeasure)
        assert ours(said, [right, other]) == pytest.approx(scorer.score_multi([right, other], said)[name].fmeasure)


def test_bleu_and_chrf_are_those_of_the_corpus_over_all_references():
    pytest.importorskip("sacrebleu")
    said = ["the cat sat on the mat today", "a b c d e"]
    right = [["a dog", "the cat sat on the mat today"], ["a b c d e"]]
    assert bleu(said, right) == pytest.approx(100) and chrf(said, right) == pytest.approx(100)
    assert bleu(said, [["a dog"], ["x y"]]) < 5 < chrf(said, [["the cat"], ["a b"]]) < 60
    # By words there is one match of one long word; by characters nearly everything matches.
    assert bleu(["我们今天去学校读书"], [["我们今天去学校学习"]]) > 50


def test_without_sacrebleu_it_is_said_what_to_install(monkeypatch):
    real = builtins.__import__

    def refuse(name, *rest, **options):
        if name == "sacrebleu":
            raise ImportError(name)
        return real(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(DataError, match=r"BLEU and chrF need sacrebleu: pip install 'trivium\[eval\]'"):
        chrf(["a"], [["a"]])


def test_measures_are_means_over_rows():
    found = measure(["exact_match", "rouge_l"], ["a b", "a"], [["c", "a b"], ["a z"]])
    assert found == {"exact_match": 0.5, "rouge_l": pytest.approx((1 + 2 / 3) / 2)}
    assert measure([*metric.PER_ROW, *metric.PER_CORPUS], [], []) == dict.fromkeys(
        [*metric.PER_ROW, *metric.PER_CORPUS], 0.0
    )
