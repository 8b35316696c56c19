"""Tasks are kinds of one family; a model that writes is asked in words and scored as the same task."""

import json

import pytest

import small
from trivium.base.errors import ConfigError, DataError
from trivium.objective.objective import Objective
from trivium.rows.read import RowReading
from trivium.task import task
from trivium.task.answer import Answered
from trivium.task.kinds.classify import OTHER
from trivium.task.predict import evaluate_files, predict_file, reading_of, task_for
from trivium.task.task import Task, by_objective, task_of

LABELS = [{"text": text, "label": label} for text, label in (("ice", "cold"), ("fire", "hot"))]
SPAN = {"question": "who?", "context": "Ann ran.", "answers": {"text": ["Ann"], "answer_start": [0]}}
NONE = {"question": "when?", "context": "Ann ran.", "answers": {"text": [], "answer_start": []}}
FAST = ["optim.lr=1e-2", "budget_epochs=25"]


def test_every_task_is_found():
    known = {"caption", "chat", "classify", "tag", "extract", "embed", "translate", "summarize", "prefer", "rerank"}
    assert {name for name, kind in Task.kinds.items() if kind.__module__.startswith("trivium.")} == known


def test_every_objective_of_records_has_a_task():
    records = [kind() for kind in Objective.kinds.values() if kind.reads == "records"]
    assert len(records) == 7 and all(by_objective(one).objective == one.kind for one in records)


def test_a_misspelt_task_is_told_the_others():
    with pytest.raises(ConfigError, match=r"expected one of caption, chat, classify, .*, found 'clasify'"):
        task_of("clasify")


def said(monkeypatch, *answers):
    """A model that writes these."""
    monkeypatch.setattr(task, "answer", lambda model, rows, count: [Answered("", one, ()) for one in answers])
    return small.model("t5")


def test_classify_is_text_to_text_where_nothing_else_is_asked_for(tmp_path):
    transformers = pytest.importorskip("transformers")
    folder, found = small.tuned(tmp_path, "classify", "t5", LABELS * 12, FAST)
    assert found["accuracy"] == found["macro_f1"] == 1.0 and found["confusion"] == [[12, 0], [0, 12]]
    predict_file(folder, small.rows(tmp_path / "in.jsonl", [{"text": "fire"}]), tmp_path / "out.jsonl")
    assert json.loads((tmp_path / "out.jsonl").read_text()) == {"text": "fire", "label": "hot"}
    stock = transformers.AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    asked = [{"role": "user", "content": "classify: fire"}]
    given = tokenizer.apply_chat_template(asked, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    ids = stock.generate(given["input_ids"], max_new_tokens=9, do_sample=False)
    assert tokenizer.decode(ids[0], skip_special_tokens=True) == "hot"


def test_labels_in_words_are_scored_as_labels(tmp_path, monkeypatch):
    rows = [*LABELS, {"text": "x", "label": "hot"}]
    found = task_of("classify").measure(
        said(monkeypatch, "cold", " hot", "warm"), [small.rows(tmp_path / "r.jsonl", rows)]
    )
    assert found["accuracy"] == pytest.approx(2 / 3) and found["labels"][-1] == OTHER
    assert found["confusion"] == [[1, 0, 0], [0, 1, 1]]
    several = [{"text": "x", "labels": ["b", "a"]}, {"text": "y", "labels": ["a"]}]
    model = said(monkeypatch, "a, b", "a, b")
    assert task_of("classify").measure(model, [small.rows(tmp_path / "s.jsonl", several)])["accuracy"] == 0.5


def test_answers_in_words_are_scored_by_the_rules_of_squad(tmp_path, monkeypatch):
    file = small.rows(tmp_path / "r.jsonl", [SPAN, NONE])
    found = task_of("extract").measure(said(monkeypatch, "ann", "unanswerable"), [file])
    assert found == {"rows": 2, "exact_match": 1.0, "f1": 1.0}
    assert task_of("extract").measure(said(monkeypatch, "ann ran", "Bob"), [file])["f1"] == pytest.approx(1 / 3)
    rows = task_of("extract").predict(said(monkeypatch, "x", "unanswerable"), [file])
    assert [row["answer"] for row in rows] == ["x", ""]


def test_tasks_are_mixed_and_each_is_asked_for_by_its_own_words(tmp_path):
    made = {"labels": LABELS[0], "answers": SPAN, "pairs": {"translation": {"en": "ice", "de": "Eis"}}}
    files = [str(small.rows(tmp_path / f"{name}.jsonl", [row] * 8)) for name, row in made.items()]
    recipe = small.recipe_for("chat", small.folder(tmp_path, "t5"), files, [], [*small.FAST, *FAST])
    folder, _ = small.finetune("chat", recipe, tmp_path / "run")
    assert evaluate_files(folder, files[:1], "classify")["accuracy"] == 1.0
    assert evaluate_files(folder, files[1:2], "extract")["exact_match"] == 1.0
    assert evaluate_files(folder, files[2:], "translate")["exact_match"] == 1.0, "the same text, asked for otherwise"


def test_a_model_remembers_its_task_and_how_its_rows_were_read(tmp_path):
    words_ = ["data.rows.prefix=name it: ", "budget_epochs=1"]
    folder, _ = small.tuned(tmp_path, "classify", "t5", LABELS, words_)
    model = small.trivium.load(folder)
    assert task_for(model).kind == "classify"
    assert reading_of(model).prefix == "name it: " and reading_of(model, RowReading(prefix="")).prefix == ""


def test_where_every_row_is_left_out_the_reasons_are_told(tmp_path):
    file, reading = small.rows(tmp_path / "r.jsonl", [{"a": 1}, {"text": "x", "label": {}}]), RowReading(skip_bad=True)
    with pytest.raises(
        DataError, match=r"every row was left out \(1 row that does not fit: its keys \{a\} do not fit; 1 "
    ):
        task_of("classify").records([file], reading)
    with pytest.raises(DataError, match="expected rows to measure on, found none that fit"):
        task_of("classify").measure(small.model("llama"), [file], reading)


def test_records_that_are_all_dropped_are_told_with_the_reason(tmp_path):
    made = [{"prompt": "q", "chosen": "a" * 99, "rejected": "b"}] * 2
    with pytest.raises(DataError, match=r"no rows to train on: every one was dropped \(2 longer than 64 tokens\)"):
        small.tuned(tmp_path, "prefer", "llama", made)
