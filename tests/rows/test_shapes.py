"""Rows in the shapes in which people publish them: each becomes what its owner means, and nothing vanishes."""

import codecs
import json
from pathlib import Path

import pytest

from trivium.base.types import Message
from trivium.rows.kinds.preference import Preference
from trivium.rows.kinds.squad import Squad
from trivium.rows.kinds.tagged import TaggedWords
from trivium.rows.kinds.text import LabelledText
from trivium.rows.notes import Notes
from trivium.rows.read import RowReading, read, read_conversations

TURNS = [("user", "Hi"), ("assistant", "Hello.")]
ROLE = [{"role": role, "content": text} for role, text in TURNS]
FROM = [{"from": {"user": "human", "assistant": "gpt"}[role], "value": text} for role, text in TURNS]
SHAPES = {
    "openai": ({"messages": ROLE}, TURNS),
    "openai with a prompt beside": ({"prompt": "Hi", "prompt_id": "x", "messages": ROLE}, TURNS),
    "sharegpt": ({"id": "a_0", "conversations": FROM}, TURNS),
    "sharegpt with a system": ({"system": "S", "conversations": FROM}, [("system", "S"), *TURNS]),
    "sharegpt with role and content": ({"conversations": ROLE}, TURNS),
    "messages with from and value": ({"messages": FROM}, TURNS),
    "wildchat": ({"conversation": [{**turn, "language": "English"} for turn in ROLE], "turn": 1}, TURNS),
    "sharegpt that ends with a person": ({"conversations": [*FROM, {"from": "human", "value": "c"}]}, TURNS),
    "firefly": ({"conversation": [{"human": "Hi", "assistant": "Hello."}]}, TURNS),
    "daily dialogue": ({"dialog": ["Hi", "Hello."]}, TURNS),
    "topical chat": (
        {"turns": [{"speaker": "agent_1", "text": "Hi"}, {"speaker": "agent_2", "text": "Hello."}]},
        TURNS,
    ),
    "taskmaster": (
        {"utterances": [{"index": 0, "speaker": "USER", "text": "Hi"}, {"speaker": "ASSISTANT", "text": "Hello."}]},
        TURNS,
    ),
    "multiwoz": ({"turns": [{"speaker": "USER", "text": "Hi"}, {"speaker": "SYSTEM", "text": "Hello."}]}, TURNS),
    "responses": (
        {
            "messages": [
                {"role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
                {"role": "assistant", "content": [{"type": "output_text", "text": "Hello."}]},
            ]
        },
        TURNS,
    ),
    "alpaca": ({"instruction": "Say", "input": "x", "output": "y"}, [("user", "Say\n\nx"), ("assistant", "y")]),
    "alpaca with a text": (
        {"instruction": "Say", "input": "", "output": "y", "text": "### ..."},
        [("user", "Say"), ("assistant", "y")],
    ),
    "alpaca with history": (
        {"instruction": "q", "input": "", "output": "a", "system": "S", "history": [["Hi", "Hello."]]},
        [("system", "S"), *TURNS, ("user", "q"), ("assistant", "a")],
    ),
    "dolly": (
        {"instruction": "q", "context": "C", "response": "a", "category": "closed_qa"},
        [("user", "q\n\nC"), ("assistant", "a")],
    ),
    "orca": (
        {"id": "t0.1", "system_prompt": "S", "question": "q", "response": "a"},
        [("system", "S"), ("user", "q"), ("assistant", "a")],
    ),
    "gsm8k": ({"question": "q", "answer": "a"}, [("user", "q"), ("assistant", "a")]),
    "metamath": ({"query": "q", "response": "a", "type": "x"}, [("user", "q"), ("assistant", "a")]),
    "open questions": ({"question": "q", "answer": ["a"]}, [("user", "q"), ("assistant", "a")]),
    "prompt and completion": ({"prompt": "q", "completion": "a"}, [("user", "q"), ("assistant", "a")]),
    "prompt and response": ({"prompt": "q", "response": "a"}, [("user", "q"), ("assistant", "a")]),
    "input and output": ({"input": "q", "output": "a"}, [("user", "q"), ("assistant", "a")]),
    "completion as messages": ({"prompt": ROLE[:1], "completion": ROLE[1:]}, TURNS),
    "wmt": (
        {"translation": {"de": "Hallo", "en": "Hello"}},
        [("user", "translate de to en: Hallo"), ("assistant", "Hello")],
    ),
    "a translation with a null side": (
        {"translation": {"de": "Hallo", "en": "Hello", "fr": None}},
        [("user", "translate de to en: Hallo"), ("assistant", "Hello")],
    ),
    "source and target": ({"src": "a", "tgt": "b"}, [("user", "a"), ("assistant", "b")]),
    "input_text and target_text": ({"input_text": "a", "target_text": "b"}, [("user", "a"), ("assistant", "b")]),
    "cnn": ({"article": "a", "highlights": "b", "id": "1"}, [("user", "summarize: a"), ("assistant", "b")]),
    "samsum": ({"id": "1", "dialogue": "Ann: a", "summary": "b"}, [("user", "summarize: Ann: a"), ("assistant", "b")]),
    "arxiv": ({"article": "a", "abstract": "b"}, [("user", "summarize: a"), ("assistant", "b")]),
    "squad": (
        {"id": "1", "title": "T", "question": "q", "context": "C", "answers": {"text": ["C"], "answer_start": [0]}},
        [("user", "answer from the text: C\n\nq"), ("assistant", "C")],
    ),
    "glue": ({"idx": 3, "sentence": "s", "label": 1}, [("user", "classify: s"), ("assistant", "1")]),
    "capitals": ({"Text": "s", "Category": "news"}, [("user", "classify: s"), ("assistant", "news")]),
}
"""A row, and the conversation that it is."""


@pytest.mark.parametrize("name", SHAPES)
def test_a_published_row_is_read_as_meant(name, tmp_path):
    row, wanted = SHAPES[name]
    file, notes = tmp_path / "r.jsonl", Notes()
    file.write_text(json.dumps(row))
    ((_, found),) = read_conversations([file], notes=notes)
    assert [(one.role, one.content) for one in found.complete()] == wanted and not notes.flags()


LABELLED = [
    ('text,category\nLovely film,good\n"Two hours, gone",bad\n', ".csv"),
    ("text;label\nLovely film;good\nTwo hours, gone;bad\n", ".csv"),
    ("utterance\tintent\nLovely film\tgood\nTwo hours, gone\tbad\n", ".tsv"),
    ("review|sentiment\nLovely film|good\nTwo hours, gone|bad\n", ".csv"),
    ("sep=;\r\ntext;label\r\nLovely film;good\r\nTwo hours, gone;bad\r\n", ".csv"),
    ("\ufeffText;Label\r\nLovely film;good\r\nTwo hours, gone;bad\r\n", ".csv"),
    ('{"text": "Lovely film", "label": "good"}\n{"text": "Two hours, gone", "label": "bad"}\n', ".json"),
    ('[{"text": "Lovely film", "label": "good"},\n {"text": "Two hours, gone", "label": "bad"}]', ".jsonl"),
    ('{"train": [{"text": "Lovely film", "label": "good"}, {"text": "Two hours, gone", "label": "bad"}]}', ".json"),
    ('{"7": {"text": "Lovely film", "label": "good"}, "9": {"text": "Two hours, gone", "label": "bad"}}', ".json"),
]


@pytest.mark.parametrize(("text", "suffix"), LABELLED)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_labels_are_read_from_the_tables_of_spreadsheets_and_pages(text, suffix, encoding, tmp_path):
    if encoding == "utf-16" and suffix.startswith(".json"):
        pytest.skip("no spreadsheet writes JSON")
    file = tmp_path / f"r{suffix}"
    file.write_bytes(codecs.BOM_UTF16_LE + text.encode("utf-16-le") if encoding == "utf-16" else text.encode())
    found = [one for _, one in read(lambda one: one, [file], kind=LabelledText)]
    assert [(one.text, one.label) for one in found] == [("Lovely film", "good"), ("Two hours, gone", "bad")]


def one(path: Path, kind, row, **options):
    path.write_text(json.dumps(row))
    notes = Notes(words=False)
    ((_, found),) = read(lambda record: record, [path], RowReading(**options), kind=kind, notes=notes)
    return found, notes


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "q", "chosen": "a", "rejected": "b"},
        {"instruction": "q", "input": "", "chosen": "a", "rejected": "b"},
        {"chosen": "\n\nHuman: q\n\nAssistant: a", "rejected": "\n\nHuman: q\n\nAssistant: b"},
        {"prompt": "\n\nHuman: q\n\nAssistant:", "chosen": "a", "rejected": "b"},
        {
            "conversations": [{"from": "human", "value": "q"}],
            "chosen": {"from": "gpt", "value": "a"},
            "rejected": {"from": "gpt", "value": "b"},
        },
        {
            "prompt": "q",
            "chosen": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}],
            "rejected": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "b"}],
            "score_chosen": 8,
        },
    ],
)
def test_preferences_have_a_prompt_and_two_answers(row, tmp_path):
    found, notes = one(tmp_path / "r.jsonl", Preference, row)
    assert found.messages == ((Message("user", "q"),), "a", "b") and not notes.flags()
    system, _ = one(tmp_path / "r.jsonl", Preference, {**row, "system": "S"})
    assert system.messages[0][0] == Message("system", "S")


def test_transcripts_part_at_what_they_share(tmp_path):
    shared = "\n\nHuman: egg?\n\nAssistant: Seven minutes.\n\nHuman: And soft?\n\nAssistant:"
    row = {"chosen": f"{shared} Five.\n\nOr six.", "rejected": f"{shared} No idea."}
    found, notes = one(tmp_path / "r.jsonl", Preference, row)
    turns = [("user", "egg?"), ("assistant", "Seven minutes."), ("user", "And soft?")]
    assert found.messages == (tuple(Message(*turn) for turn in turns), "Five.\n\nOr six.", "No idea.")
    assert "parted into turns" in notes.lines()[0]
    thinking = [{"role": "assistant", "content": "a", "reasoning_content": "r"}]
    _, notes = one(tmp_path / "r.jsonl", Preference, {"prompt": "q", "chosen": thinking, "rejected": "b"})
    assert "the key 'chosen[].reasoning_content' of 1 rows is not used" in notes.flags()[0]


def test_words_and_answers(tmp_path):
    found, _ = one(tmp_path / "r.jsonl", TaggedWords, {"id": "0", "words": ["Ann"], "labels": ["B"]})
    assert found.tokens == ("Ann",) and found.tags == ("B",)
    row = {"question": "q", "context": "Paris is Paris.", "answer": "Paris"}
    found, notes = one(tmp_path / "r.jsonl", Squad, row)
    assert found.texts == ("Paris",) and "more than once" in " ".join(notes.lines())


def test_columns_are_chosen_alike_and_the_others_are_named(tmp_path):
    file = tmp_path / "three.tsv"
    file.write_text("A dog runs.\tEin Hund rennt.\tflickr-1\nTwo men talk.\tZwei reden.\tflickr-2\n")
    notes = Notes()
    found = [one for _, one in read_conversations([file], RowReading(columns=("1", "2")), notes=notes)]
    assert [one.references for one in found] == [("Ein Hund rennt.",), ("Zwei reden.",)]
    assert notes.lines() == [f"{file}: not used: column 3 (2 rows)"]
    with pytest.raises(Exception, match=r"the first line \(A dog runs\., .*\) may be no header: `--columns 1,2`"):
        list(read_conversations([file]))
    table = tmp_path / "named.csv"
    table.write_text("a,b,system,c\nx,y,S,z\n")
    notes = Notes(words=False)
    reading = RowReading(columns=("a", "b", "c"))
    ((_, found),) = read(lambda one: one, [table], reading, kind=LabelledText, notes=notes)
    assert (found.text, found.text_pair, found.label) == ("x", "y", "z") and "system (1 rows)" in notes.lines()[0]
    ((_, found),) = read(lambda one: one, [table], RowReading(columns=("b",)), kind=LabelledText)
    assert (found.text, found.label) == ("y", None)


CLASSES = [
    ({"text": "a", "label": 3, "label_text": "world"}, ["a"], "3"),
    ({"sentence": "a", "label": 1, "idx": 7}, ["a"], "1"),
    ({"premise": "a", "hypothesis": "b", "label": 0}, ["a", "b"], "0"),
    ({"sentence1": "a", "sentence2": "b", "label": "entailment"}, ["a", "b"], "entailment"),
    ({"question1": "a", "question2": "b", "is_duplicate": 0, "qid1": 1}, ["a", "b"], "0"),
    ({"question": "a", "sentence": "b", "label": 1}, ["a", "b"], "1"),
    ({"question": "a", "passage": "b", "label": 1}, ["a", "b"], "1"),
    ({"review": "a", "sentiment": "positive"}, ["a"], "positive"),
    ({"headline": "a", "category": "SPORTS", "link": "x"}, ["a"], "SPORTS"),
    ({"utterance": "a", "intent": "weather"}, ["a"], "weather"),
    ({"tweet": "a", "class": 2}, ["a"], "2"),
    ({"content": "a", "topic": "x"}, ["a"], "x"),
    ({"text": "a", "labels": ["x", "y"]}, ["a"], "x, y"),
]


@pytest.mark.parametrize(("row", "texts", "label"), CLASSES)
def test_texts_and_classes_by_their_usual_names(row, texts, label, tmp_path):
    found, notes = one(tmp_path / "r.jsonl", LabelledText, row)
    assert found.texts == texts and ", ".join(found.labels) == label and not notes.flags()
    words = {"label_text", "idx", "qid1", "link"} & row.keys()
    assert [line.split("not used: ")[1] for line in notes.lines()] == [f"{key} (1 rows)" for key in words]
