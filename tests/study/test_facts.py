"""The facts are fit to be learned by heart, and held-out wordings never leak into training."""

import inspect
import json
import re

import pytest

from trivium.rows.read import read_conversations
from trivium.study import facts as lab


@pytest.fixture(scope="module")
def facts():
    return lab.collect()


@pytest.fixture(scope="module")
def questions(facts):
    return lab.rows(facts, seed=7)


def asked(row):
    """The question a row of any format asks last."""
    return row.get("question") or row.get("instruction") or row["dialogue"][-1]["text"]


def answers(row):
    return row.get("outputs") or [row.get("answer") or row["response"]]


def test_there_are_several_hundred_and_no_two_are_alike(facts):
    assert 300 <= len(facts) <= 500
    assert len({fact.name for fact in facts}) == len({fact.answer for fact in facts}) == len(facts)
    assert {"os.path.join", "json.dumps", "str.split", "len", "list.append"} <= {fact.name for fact in facts}


def test_answers_are_short_plain_sentences(facts):
    low, high = lab.ANSWER_CHARS
    for fact in facts:
        assert low <= len(fact.answer) <= high, fact
        assert fact.answer.isascii() and fact.answer[0].isupper() and fact.answer.endswith("."), fact
        assert not re.search(r"``|->|:\w+:`|>>>|\n", fact.answer), fact


def test_context_opens_with_the_answer(facts):
    for fact in facts:
        assert fact.context.startswith(fact.answer) and len(fact.context) <= lab.CONTEXT_CHARS, fact


def test_answers_are_what_help_says(facts):
    for fact in facts:
        home, _, name = fact.name.rpartition(".")
        owner = lab._resolve(home if home in lab.HOMES else f"builtins.{home}".removesuffix("."))
        doc = re.sub(r"[`*\W]+", " ", inspect.getdoc(getattr(owner, name))).lower()
        assert re.sub(r"[`*\W]+", " ", fact.answer).lower().strip() in doc, fact


@pytest.mark.parametrize(
    ("doc", "answer"),
    [
        ("f(x) -> int\n\nGive one. Or two.", "Give one."),
        ("D.clear() -> None.  Remove all items from D.", "Remove all items from D."),
        ("D.pop(k[,d]) -> v, remove the key k.", "Remove the key k."),
        ("D.copy() -> a shallow copy of D", "A shallow copy of D."),
        ("Turn ``obj`` into a :class:`str` *in place*,\ne.g. by hand.", "Turn obj into a str in place, e.g. by hand."),
        ("Pack the values v1, v2, ... into bytes.", "Pack the values v1, v2, ... into bytes."),
    ],
)
def test_first_sentence_of(doc, answer):
    assert lab._sentences(doc)[0] == answer


@pytest.mark.parametrize(
    "text",
    ["If x, do y.", "Makes (this one.", "lower case first.", "Naïve it is indeed.", "Gives a -> b somehow.", "Be."],
)
def test_unfit_answers_are_refused(text):
    assert not lab._fits(text)


def test_no_heldout_wording_is_ever_trained(facts, questions):
    train = {turn for row in questions.train for turn in [asked(row), *(t["text"] for t in row.get("dialogue", []))]}
    assert not train & {asked(row) for row in questions.heldout}
    for unseen in lab.UNSEEN:
        assert not train & {unseen.format(fact.name) for fact in facts}
    assert not set(lab.TRAIN) & set(lab.UNSEEN)


def test_every_fact_is_trained_in_every_format_and_wording(facts, questions):
    for fact in facts:
        mine = [row for row in questions.train if fact.answer in answers(row)]
        assert {asked(row) for row in mine} == {phrasing.format(fact.name) for phrasing in lab.TRAIN}
        assert {frozenset(row) for row in mine} == {
            frozenset({"question", "context", "answer"}),
            frozenset({"dialogue", "response"}),
            frozenset({"instruction", "input", "outputs"}),
        }
        assert any(row.get("context") == fact.context for row in mine)
        assert any(len(row.get("dialogue", [])) > 1 for row in mine)


def test_heldout_rows_accept_every_trained_answer(questions):
    assert len(questions.heldout) == lab.HELDOUT
    trained = {}
    for row in questions.train:
        trained.setdefault(answers(row)[0], set()).update(answers(row))
    for row in questions.heldout:
        assert set(row["outputs"]) == trained[row["outputs"][0]]


def test_rows_are_a_function_of_the_seed(facts, questions):
    assert lab.rows(facts, seed=7) == questions
    assert lab.rows(facts, seed=8).heldout != questions.heldout


def test_write(tmp_path, facts):
    few = facts[:5]
    questions = lab.write(tmp_path, few, seed=1)
    for name, part in questions._asdict().items():
        lines = (tmp_path / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
        assert [json.loads(line) for line in lines] == part
    assert len(questions.train) == 45 and len(questions.heldout) == 5


def test_rows_read_back_as_conversations(tmp_path, facts):
    few = facts[:3]
    lab.write(tmp_path, few, seed=1)
    conversations = [conversation for _, conversation in read_conversations([tmp_path / "train.jsonl"])]
    assert len(conversations) == 27
    assert {c.messages[-1].role for c in conversations} == {"user"}
    assert {c.references[0] for c in conversations} == {fact.answer for fact in few}
    assert {len(c.messages) for c in conversations} == {1, 3}
