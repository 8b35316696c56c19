"""`predict` knows from the folder what a model is for; rows need no answers, and are read as in training."""

import json

import pytest

import small
from trivium.base.errors import ConfigError, DataError
from trivium.infer.beam import Beam
from trivium.rows.read import RowReading
from trivium.task.predict import evaluate_files, parted, predict_file, reading_of, rows_as, task_for


@pytest.mark.parametrize(("head", "task"), [("classify", "classify"), ("tag", "tag"), ("span", "extract")])
def test_the_head_says_the_task(head, task):
    model = small.model("bert")
    model.equip(head, ("start", "end"))
    assert task_for(model).kind == task and task_for(model, "embed").kind == "embed"


def test_without_a_head_the_record_or_the_family_says_it():
    assert task_for(small.model("llama")).kind == task_for(small.model("t5")).kind == "chat"
    with pytest.raises(ConfigError, match="name a task by --task"):
        task_for(small.model("bert"))
    embedder = small.model("bert")
    embedder.record = {"vectors": {"pool": "mean"}}
    assert task_for(embedder).kind == "embed"
    embedder.record = {"task": "tag"}
    assert task_for(embedder).kind == "tag"


@pytest.mark.parametrize(
    "row",
    [
        {"question": "q", "context": "c"},
        {"instruction": "i", "input": ""},
        {"prompt": "p"},
        {"source": "s"},
        {"document": "d"},
        {"dialogue": [{"speaker": "user", "text": "hi"}]},
        {"text": "t"},
        {"messages": [{"role": "user", "content": "hi"}]},
        {"conversations": [{"from": "human", "value": "hi"}]},
    ],
)
def test_rows_need_no_answers(tmp_path, row):
    folder, file = small.folder(tmp_path, "llama"), small.rows(tmp_path / "r.jsonl", [row])
    assert predict_file(folder, file, tmp_path / "out.jsonl") == 1
    assert {"asked", "answer"} == json.loads((tmp_path / "out.jsonl").read_text()).keys()
    with pytest.raises(DataError, match=r"r\.jsonl:1: "):
        evaluate_files(folder, [file])


def test_rows_are_read_as_in_training_unless_it_is_said_otherwise():
    model = small.model("llama")
    rows = {"prefix": "say: ", "speakers": {"clerk": "assistant"}, "format": "pair", "columns": ["1", "2"]}
    model.record = {"recipe": {"data": {"rows": rows}}}
    found = reading_of(model, rows_as(['columns=["3","4"]'], None, True))
    assert (found.prefix, found.speakers, found.columns, found.format) == (
        "say: ",
        {"clerk": "assistant"},
        ("3", "4"),
        None,
    )
    assert found.skip_bad and reading_of(model, rows_as(["prefix="])).prefix == ""
    assert reading_of(small.model("llama")) == RowReading()
    with pytest.raises(ConfigError, match="did you mean 'columns'"):
        rows_as(["column=1"])


def test_a_person_says_how_a_task_is_done(tmp_path):
    model = small.model("t5")
    words, rows = parted(["task.beam.beams=2", "prefix=say: ", "task.max_new_tokens=3"])
    assert rows == ["prefix=say: "]
    found = task_for(model, "summarize", words)
    assert (found.max_new_tokens, found.beam) == (3, Beam(beams=2, no_repeat_ngram=3))
    folder, file = small.folder(tmp_path, "t5"), small.rows(tmp_path / "r.jsonl", [{"document": "d"}])
    for count in (1, 7):
        predict_file(folder, file, tmp_path / "out.jsonl", "summarize", overrides=[f"max_new_tokens={count}"])
        assert len(json.loads((tmp_path / "out.jsonl").read_text())["answer"]) <= count, "a token is at most a letter"
    with pytest.raises(ConfigError, match=r"task: beam\.beam: unknown key"):
        task_for(model, "summarize", ["beam.beam=2"])
    with pytest.raises(ConfigError, match="task: beam: unknown key"):
        task_for(model, "tag", ["beam.beams=2"])


def test_any_model_is_evaluated_on_any_file(tmp_path):
    table = tmp_path / "t.tsv"
    table.write_text("0\tcold\tice 1\n1\thot\tfire 2\n" * 4)
    words = ['data.rows.columns=["3","2"]', "budget_epochs=50"]
    recipe = small.recipe_for("classify", small.folder(tmp_path, "bert"), [str(table)], [], [*small.FAST, *words])
    folder, _ = small.finetune("classify", recipe, tmp_path / "run")
    found = evaluate_files(folder, [table], None, rows_as(['columns=["3","2"]']))
    assert found["accuracy"] == 1.0 and found["labels"] == ["cold", "hot"]
    other = small.rows(tmp_path / "o.jsonl", [{"text": "ice", "label": "warm"}])
    with pytest.raises(DataError, match=r"o\.jsonl:1: label 'warm' is none of the model's: cold, hot"):
        evaluate_files(folder, [other])
