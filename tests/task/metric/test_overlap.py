"""Metrics of answers: by hand, and beside the reference implementations."""

import random
import sys

import pytest

from trivium.base.errors import DataError
from trivium.task.metric import overlap as metric
from trivium.task.metric.overlap import PER_ROW, bleu, chrf, exact_match, measure, words

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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Кошка спит на диване.", ["кошка", "спит", "на", "диване"]),
        ("Η γάτα, κοιμάται;", ["η", "γάτα", "κοιμάται"]),
        ("القِطّة تنام، ١٢", ["القِطّة", "تنام", "١٢"]),
        ("बिल्ली सो रही है।", ["बिल्ली", "सो", "रही", "है"]),
        ("Café déjà-vu_n°1", ["café", "déjà", "vu", "n", "1"]),
        ("cafe\u0301", ["caf\u00e9"]),
        ("می\u200cروم so\u00adft", ["میروم", "soft"]),
        ("แมวนั่ง", ["แ", "ม", "ว", "นั่", "ง"]),
        ("\U00020bb7野家と𪚥", ["\U00020bb7", "野", "家", "と", "𪚥"]),
        ("ＧＰＴ写 ｶﾞ", ["ｇｐｔ", "写", "ｶ", "ﾞ"]),
        ("한국어 책", ["한", "국", "어", "책"]),
        (" \u0301...", []),
    ],
)
def test_words_are_those_of_every_script(text, expected):
    assert words(text) == expected
    if expected:
        assert rouge_l(text, [text]) == 1.0 == rouge_1(text, [text])


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
    assert bleu(said, right)["bleu"] == pytest.approx(100) and chrf(said, right) == pytest.approx(100)
    assert bleu(said, [["a dog"], ["x y"]])["bleu"] < 5 < chrf(said, [["the cat"], ["a b"]]) < 60
    # By words there is one match of one long word; by characters nearly everything matches.
    assert bleu(["我们今天去学校读书"], [["我们今天去学校学习"]])["bleu"] > 50


ENGLISH, CHINESE = "the cat sat on a mat", "我们今天去学校读书"
JAPANESE, KANJI, KOREAN = "これはとてもおもしろい本です。", "東京都港区", "이것은 매우 재미있는 책입니다"


def test_bleu_is_one_figure_and_one_signature_for_each_target_language(capsys, monkeypatch):
    sacrebleu = pytest.importorskip("sacrebleu")
    monkeypatch.setattr(metric, "find_spec", lambda name: None)
    right = [ENGLISH, JAPANESE, KANJI, KOREAN, JAPANESE]
    said = [ENGLISH, JAPANESE, KANJI, KOREAN[:-1], JAPANESE[2:]]
    found = measure(["bleu"], said, [[text] for text in right])
    groups = {"other": ([0], "13a"), "ja": ([1, 2, 4], "char"), "ko": ([3], "char")}
    for name, (rows, tokenize) in groups.items():
        official = sacrebleu.corpus_bleu([said[i] for i in rows], [[right[i] for i in rows]], tokenize=tokenize)
        assert found[f"bleu_{name}"] == pytest.approx(official.score), name
        assert f"tok:{tokenize}|" in found[f"bleu_{name}_signature"]
    assert len(found) == 6 and "BLEU of ja: compared by characters" in capsys.readouterr().out
    said, right, languages = [ENGLISH, CHINESE, JAPANESE], [[ENGLISH], [CHINESE], [JAPANESE]], ["eng", "", "ja"]
    named = measure(["bleu"], said, right, languages)
    assert "tok:zh|" in named["bleu_zh_signature"] and named["bleu_eng"] == pytest.approx(100) and len(named) == 6
    two = measure(["bleu"], ["der Hund", "le chat"], [["der Hund"], ["le chat"]], ["de", "fr"])
    assert {*two} == {f"bleu_{name}{end}" for name in ("de", "fr") for end in ("", "_signature")}


def test_mecab_is_used_where_it_is_installed():
    pytest.importorskip("MeCab", reason="needs pip install 'sacrebleu[ja]'")
    assert metric.tokenization([[JAPANESE]]) == "ja-mecab"


def test_without_mecab_a_perfect_japanese_answer_is_perfect():
    pytest.importorskip("sacrebleu")
    found = measure(["bleu"], [JAPANESE], [[JAPANESE]])
    assert found["bleu"] == pytest.approx(100)


def test_without_sacrebleu_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sacrebleu", None)
    with pytest.raises(DataError, match=r"measuring BLEU and chrF needs sacrebleu: pip install sacrebleu$"):
        chrf(["a"], [["a"]])


def test_measures_are_means_over_rows():
    found = measure(["exact_match", "rouge_l"], ["a b", "a"], [["c", "a b"], ["a z"]])
    assert found == {"exact_match": 0.5, "rouge_l": pytest.approx((1 + 2 / 3) / 2)}
    assert measure([*metric.PER_ROW, *metric.PER_CORPUS], [], []) == dict.fromkeys(
        [*metric.PER_ROW, *metric.PER_CORPUS], 0.0
    )
