import json
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trivium.base.errors import DataError
from trivium.corpus.duplicates.contaminate import Contamination, Known, evaluation, load
from trivium.corpus.read.reading import Reading

QUESTION = "Which of the seven rivers that meet below the old bridge carries the most water in spring?"
CHINESE = "在老桥下面汇合的七条河流之中，哪一条在春天的时候水量最大？"


def filler(count, seed=0):
    draw = random.Random(seed)
    return " ".join(f"word{draw.randrange(10_000)}" for _ in range(count))


def known(*texts, **rules):
    return Known(texts, Contamination(**rules))


def test_a_text_is_found_whatever_its_case_spacing_and_marks():
    index = known(QUESTION)
    hidden = QUESTION.upper().replace(" ", "\n ").replace("?", "!?") + " " + filler(50)
    assert index.shared(filler(50) + " " + hidden) == 17 - 13 + 1
    assert index.shared(filler(100)) == 0 == index.shared("") == index.shared("of the")


def test_one_run_is_enough_and_one_word_less_is_not():
    words = QUESTION.split()
    index = known(QUESTION)
    assert index.shared(filler(9) + " " + " ".join(words[2:15]) + " " + filler(9, 1)) == 1
    assert index.shared(filler(9) + " " + " ".join(words[2:14]) + " " + filler(9, 1)) == 0
    assert index.shared(" ".join(words[2:15] * 3)) == 1
    assert known(QUESTION, run=6).shared(" ".join(words[4:10])) == 1


def test_letters_without_spaces_between_are_words():
    index = known(CHINESE)
    assert index.shared(f"有人问：{CHINESE}没有人知道。") > 5
    assert index.shared(f"In English, then {CHINESE[2:16]} and on: {filler(60)}") == 1
    assert index.shared("在老桥下面有七条船，哪一条在夏天的时候最大？") == 0


def test_short_texts_are_looked_for_whole_and_very_short_ones_not():
    index = known("The capital of the whole kingdom is Atlantis", "Yes, of course", "老桥下面汇合的七条河流中")
    assert (index.texts, index.short) == (1, 2)
    assert index.shared("They say: the capital of the whole kingdom is Atlantis, and " + filler(30)) == 1
    assert index.shared("the capital of the whole kingdom is Rome") == 0
    assert known("Yes, of course", shortest=3).shared("he said yes of course") == 1


def test_rows_give_every_string_and_other_files_their_text(tmp_path):
    rows = tmp_path / "q.jsonl"
    rows.write_text(json.dumps({"q": {"body": "one", "n": 1}, "choices": ["two", None, ["three"]], "ok": True}) + "\n")
    (tmp_path / "t.txt").write_text("four")
    (tmp_path / "c.csv").write_text("question,answer\nfive,six\n")
    counts: Counter[str] = Counter()
    assert list(evaluation([str(tmp_path)], Reading(), counts)) == ["five", "six", "one", "two", "three", "four"]


def test_files_without_a_text_that_can_be_told_are_an_error(tmp_path):
    (tmp_path / "q.jsonl").write_text('{"answer": "yes"}\n')
    with pytest.raises(DataError, match=r"q\.jsonl: expected evaluation texts of 8 words or more, found 1 shorter"):
        load(Contamination(against=(str(tmp_path / "q.jsonl"),)), Reading(), Counter())
    with pytest.raises(DataError, match="no such file"):
        load(Contamination(against=("nowhere.jsonl",)), Reading(), Counter())


@settings(derandomize=True, deadline=None, max_examples=200)
@given(
    texts=st.lists(st.lists(st.sampled_from("abcde"), min_size=2, max_size=9), min_size=1, max_size=4),
    document=st.lists(st.sampled_from("abcde"), max_size=30),
)
def test_it_counts_as_one_would_by_hand(texts, document):
    runs = {tuple(text[i : i + 4]) for text in texts for i in range(max(1, len(text) - 3))}
    wanted = sum(any(tuple(document[i : i + len(run)]) == run for i in range(len(document))) for run in runs)
    assert known(*map(" ".join, texts), run=4, shortest=2).shared(" ".join(document)) == wanted


def test_evaluation_files_that_are_not_read_are_counted(tmp_path):
    (tmp_path / "a.txt").write_text(QUESTION)
    (tmp_path / "b.rst").write_text(CHINESE)
    counts: Counter[str] = Counter()
    assert list(evaluation([tmp_path], Reading(), counts)) == [QUESTION] and counts == {"not read: .rst file": 1}
    counts.clear()
    assert list(evaluation([tmp_path], Reading(as_text=("rst",)), counts)) == [QUESTION, CHINESE] and not counts
