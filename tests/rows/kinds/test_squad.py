"""Questions about a context: in words, and as spans in windows."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from layouts import BYTES, layout
from talk import parse
from trivium.objective.records import SpanObjective
from trivium.rows.kinds import squad
from trivium.rows.kinds.squad import ABSENT, FOUND, SEVERAL, SOME, UNANSWERABLE, Squad
from trivium.rows.read import RowReading
from trivium.rows.record import STRADDLED


def asked(row, **options):
    return parse(row, "f:1", RowReading(**options)).messages[-1].content


def test_squad_takes_its_texts_and_says_what_it_is():
    row = {"id": "1", "question": "q", "context": "c", "answers": {"text": ["a", "b", "a"], "answer_start": [0, 1, 0]}}
    assert parse(row, "f:1").references == ("a", "b")
    assert asked(row) == "answer from the text: c\n\nq" and asked(row, prefix="") == "c\n\nq"
    assert asked({**row, "id": 7}) == asked(row), "in words nobody needs where an answer begins, or an id"
    assert asked({**row, "answers": {"text": ["a"], "answer_start": ["?"]}}) == asked(row)
    row["answers"] = {"text": [], "answer_start": []}
    assert parse(row, "f:1").references == (UNANSWERABLE,)


def question(context, answer):
    return Squad(question="q?", context=context, answers={"text": (answer,), "answer_start": (context.index(answer),)})


def test_every_answer_is_found_again_in_its_windows():
    context = "abcdefgh" * 8 + "mnop" + "abcdefgh" * 8
    found = 0
    for made in question(context, "mnop").examples(layout(40), None, SpanObjective(stride=10), Counter()):
        start, end = int(made.targets["start"]), int(made.targets["end"])
        assert len(made) <= 40
        if end:
            assert BYTES.decode(made.enc[start : end + 1].tolist()) == "mnop"
            found += 1
        else:
            assert start == 0 and "mnop" not in BYTES.decode(made.enc.tolist())
    assert found >= 2


def test_an_answer_that_is_in_no_window_is_counted():
    counts = Counter()
    assert not question("x" * 90, "x" * 90).examples(layout(40), None, SpanObjective(stride=10), counts)
    assert counts == {"its answer is in no window": 1}


def test_windows_cover_the_context_with_a_stride():
    parts = [window.places for window in question("abcdefghij" * 8, "cde").windows(layout(31), 13)]
    assert parts[0][0, 0] == 0 and parts[-1][-1, 1] == 80
    assert all(b[0, 0] - a[0, 0] == 13 for a, b in pairwise(parts))


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ({"text": ("c",), "answer_start": (0,)}, "answers: expected 'c' at 0 of the context, found 'a'"),
        ({"text": ("c",), "answer_start": ("2",)}, "answers: expected 'c' at '2' of the context, found None"),
        ({"text": ("c",)}, "answers.answer_start: expected one for each of 1 texts, found 0"),
        ({"text": ()}, "answers: expected at least one, found none; .*unanswerable=true"),
    ],
)
def test_what_cannot_be_learned_is_told(answers, message):
    with pytest.raises(ValueError, match=message):
        Squad(question="q", context="abc", answers=answers).examples(layout(), None, SpanObjective(), Counter())


def test_where_questions_may_have_no_answer_the_first_token_is_the_target():
    objective = SpanObjective(unanswerable=True)
    (made,) = Squad(question="q", context="abc", answers={"text": ()}).examples(layout(), None, objective, Counter())
    assert made.targets["start"] == made.targets["end"] == 0


def test_a_plain_answer_is_found_in_its_context():
    counts = Counter()
    (made,) = Squad(question="q", context="a b a", answers="b").examples(layout(), None, SpanObjective(), counts)
    start, end = int(made.targets["start"]), int(made.targets["end"])
    assert BYTES.decode(made.enc[start : end + 1].tolist()) == "b" and not counts
    absent = Squad(question="q", context="a", answers=("z", "y"))
    assert absent.examples(layout(), None, SpanObjective(), counts) == [] and counts == {ABSENT: 1}
    twice = Squad(question="q", context="a b a", answers=("a", "z"))
    assert twice.remarks(words=False) == (FOUND, SEVERAL, SOME) and twice.remarks(words=True) == ()
    with pytest.raises(ValueError, match="answers: expected the answers of a row to learn from"):
        Squad(question="q", context="abc").examples(layout(), None, SpanObjective(), Counter())


def test_a_token_across_the_border_of_an_answer_is_counted(monkeypatch):
    def pairs(tokenizer, text):
        """Tokens of two characters each."""
        places = [(at, min(at + 2, len(text))) for at in range(0, len(text), 2)]
        return [tokenizer.encode(text[a])[0] for a, _ in places], np.array(places)

    monkeypatch.setattr(squad, "spans", pairs)
    for answer, straddles in (("bc", 1), ("cd", 0), ("d", 1), ("ef ", 0)):
        counts = Counter()
        question("abcdef ", answer).examples(layout(), None, SpanObjective(), counts)
        assert counts[STRADDLED] == straddles
