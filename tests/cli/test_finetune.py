"""A wrong file of rows is one clear line with file, row and key, exit code 2, no traceback, and no run folder."""

import json
import sys
from pathlib import Path

import pytest

import small
from trivium.cli import app, main

SQUAD = {"data": [{"paragraphs": [{"context": "c", "qas": [{"question": "q"}]}]}]}
TURN = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
GOOD = {"text": "a", "label": "x"}


def lines(*rows: object) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


CASES = [
    ("chat", "none.jsonl", None, "none.jsonl: cannot read: No such file"),
    ("chat", "r.jsonl", b"", "no rows to train on"),
    ("chat", "r.jsonl", b'{"question": "q", "answer": "a"}\n{"question": \n', "r.jsonl:2: not JSON"),
    ("chat", "r.jsonl", b'["a"]\n', "r.jsonl:1: expected an object, found str"),
    ("chat", "r.jsonl", lines({"ask": "q"}), "r.jsonl:1: expected the keys of one of the formats"),
    ("chat", "r.jsonl", lines({"question": "q", "answer": " "}), "r.jsonl:1: answer: expected some text"),
    ("chat", "r.jsonl", lines({"instruction": "i", "outputs": "o"}), "r.jsonl:1: outputs: expected a list"),
    ("chat", "r.jsonl", lines({"instruction": "i", "outputs": []}), "r.jsonl:1: outputs: expected at least one"),
    ("chat", "r.jsonl", lines({"dialogue": [{"speaker": "x", "text": "t"}], "response": "r"}), "dialogue[0].speaker"),
    ("chat", "r.jsonl", lines({"messages": TURN[:1]}), "r.jsonl:1: messages: expected the assistant's answer"),
    ("chat", "r.jsonl", lines({"prompt": "p", "chosen": "a", "rejected": "b"}), "are for the task prefer"),
    ("chat", "r.json", b"[1]", "r.json:1: expected an object"),
    ("chat", "r.json", b"3", "expected a list of rows, or one under a key, found int"),
    ("classify", "r.jsonl", lines(GOOD, {"txt": "b"}), "r.jsonl:2: expected the keys {text}"),
    ("classify", "r.jsonl", lines(GOOD, {"text": "b", "label": "y"}, {"text": "c"}), "r.jsonl:3: label: expected one"),
    ("classify", "r.jsonl", lines(GOOD, GOOD), "r.jsonl: expected at least two labels, found x"),
    ("classify", "r.jsonl", lines(GOOD, {"text": 3, "label": "y"}), "r.jsonl:2: text: expected a text"),
    ("classify", "r.jsonl", lines(GOOD, {"text": "b", "label": 0.5}), "r.jsonl:2: label: "),
    (
        "classify",
        "r.csv",
        b"sentense,label\na,x\n",
        "r.csv:1: expected the keys {text} of label rows, found {sentense, label}",
    ),
    ("classify", "r.tsv", b"text\tlabel\nb\ta\tx\n", "r.tsv:1: "),
    ("classify", "r.txt", b"a\tx\n", "choose its columns by number, such as `--columns 1,2`"),
    ("tag", "r.jsonl", lines({"tokens": ["a", "b"], "tags": ["O"]}), "r.jsonl:1: tags: expected one for each of 2"),
    ("tag", "r.conll", b"Ann O\n\nran\n", "r.conll:3: expected a word and its tag, found 'ran'"),
    ("tag", "r.jsonl", lines({"tokens": ["a", "b"], "tags": ["O", "X"]}, {"tokens": ["a"]}), "r.jsonl:2: tags: "),
    ("extract", "r.json", json.dumps(SQUAD).encode(), "r.json:1.1: answers: expected the answers of a row"),
    (
        "extract",
        "r.jsonl",
        lines({"question": "q", "context": "abc", "answers": {"text": ["c"], "answer_start": [0]}}),
        "r.jsonl:1: answers: expected 'c' at 0 of the context, found 'a'",
    ),
    (
        "extract",
        "r.jsonl",
        lines({"question": "q", "context": "abc", "answers": {"text": ["c"]}}),
        "r.jsonl:1: answers.answer_start: expected one for each of 1 texts, found 0",
    ),
    ("extract", "r.jsonl", lines({"question": "q", "context": "abc", "answer": ""}), "set objective.unanswerable=true"),
    (
        "embed",
        "r.jsonl",
        lines({"anchor": "a"}),
        "r.jsonl:1: expected the keys {anchor, positive} of group rows, found {anchor}",
    ),
    ("translate", "r.jsonl", lines({"translation": {"en": "a"}}), "r.jsonl:1: translation: expected two languages"),
    ("translate", "r.jsonl", lines({"source": "a", "target": []}), "r.jsonl:1: target: expected at least one"),
    ("summarize", "r.jsonl", lines({"document": "d", "summary": ["s", ""]}), "r.jsonl:1: summary[1]: expected"),
    ("prefer", "r.jsonl", lines({"prompt": "p", "chosen": "a"}), "r.jsonl:1: expected the keys {chosen, rejected}"),
    ("prefer", "r.jsonl", lines({"prompt": "p", "chosen": " ", "rejected": "b"}), "r.jsonl:1: chosen: expected an"),
    (
        "prefer",
        "r.jsonl",
        lines({"prompt": [{"role": 1}], "chosen": "a", "rejected": "b"}),
        "r.jsonl:1: prompt[0].role: required",
    ),
]


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """The command as a person types it; give its exit code."""
    monkeypatch.setattr(sys, "argv", ["trivium", *words])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for preset in ("bert", "llama"):
        small.folder(folder, preset)
    return folder


@pytest.mark.parametrize(("task", "name", "content", "message"), CASES)
def test_a_wrong_file_is_one_clear_line(task, name, content, message, models, tmp_path, monkeypatch, capsys):  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    if content is not None:
        Path(name).write_bytes(content)
    model = models / ("bert" if task in ("classify", "tag", "extract", "embed") else "llama")
    assert run(monkeypatch, "finetune", task, "--model", str(model), "--data", name) == 2
    said = capsys.readouterr().err
    assert message in said and said.startswith("error: ") and said.count("\n") == 1, said
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["chatt"], "task: expected one of caption, chat, classify"),
        (["chat", "--format", "alpacca"], "format: expected one of alpaca"),
        (["prefer", "--format", "alpaca"], "format: expected preference, the rows of this task,"),
        (["classify", "--format", "pair"], "format: expected label, the rows of this task,"),
        (["chat", "--references", "most"], "objective.references"),
        (["chat", "--train", "first"], "objective.train"),
        (["chat", "--too-long", "cut"], "data.too_long"),
        (["tag", "--train", "last"], "objective"),
        (["chat", "optim.lrr=1"], "did you mean 'lr'"),
        (["chat", "template=chatml"], 'or add them: tokens=["<|im_start|>", "<|im_end|>"]'),
    ],
)
def test_a_wrong_word_is_one_clear_line(words, message, models, tmp_path, monkeypatch, capsys):  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    Path("r.jsonl").write_bytes(lines({"prompt": "p", "completion": "c"}))
    assert run(monkeypatch, "finetune", *words, "--model", str(models / "llama"), "--data", "r.jsonl") == 2
    assert message in capsys.readouterr().err and not (tmp_path / "runs").exists()


def test_words_reach_the_run(models, tmp_path, monkeypatch, capsys):  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    Path("r.jsonl").write_bytes(lines({"prompt": "p", "completion": ["c", "d"]}, {"bad": 1}))
    words = ["--train", "last", "--references", "all", "--too-long", "truncate-left", "--lora", "2", "--skip-bad"]
    assert (
        run(monkeypatch, "finetune", "chat", *words, "-m", str(models / "llama"), "-d", "r.jsonl", "budget_steps=1")
        == 0
    )
    recipe = json.loads(Path("runs/chat/recipe.json").read_text())["recipe"]
    assert (recipe["objective"]["train"], recipe["objective"]["references"]) == ("last", "all")
    assert recipe["data"]["too_long"] == "truncate-left" and recipe["lora"]["rank"] == 2
    said = capsys.readouterr().out
    assert "dropped 1 rows: row that does not fit" in said and (Path("runs/chat/adapter")).is_dir()


@pytest.mark.parametrize(
    ("task", "good", "bad"),
    [
        ("classify", [GOOD, {"text": "b", "label": "y"}], {"text": "c"}),
        ("tag", [{"tokens": ["a", "b"], "tags": ["O", "X"]}], {"tokens": ["a"]}),
        (
            "extract",
            [{"question": "q", "context": "abc", "answers": {"text": ["c"], "answer_start": [2]}}],
            {"question": "q", "context": "abc"},
        ),
    ],
)
def test_rows_that_do_not_fit_the_task_are_skipped(task, good, bad, models, tmp_path, monkeypatch, capsys):  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    Path("r.jsonl").write_bytes(lines(*good, bad))
    words = ["-m", str(models / "bert"), "-d", "r.jsonl", "budget_steps=1", "--skip-bad"]
    assert run(monkeypatch, "finetune", task, *words) == 0
    assert "dropped 1 rows: row that does not fit" in capsys.readouterr().out


def test_help_tells_what_happens_when_nothing_is_said(capsys):  # type: ignore[no-untyped-def]
    with pytest.raises(SystemExit):
        app(["finetune", "--help"])
    said = capsys.readouterr().out
    assert "[all]" in said and "[sample]" in said and "[runs/TASK]" in said


def test_columns_are_chosen_alike_in_every_command(models, tmp_path, monkeypatch, capsys):  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    Path("t.csv").write_text("kind,id,words\n" + "cold,1,ice\nhot,2,fire\n" * 4)
    chosen = ("--columns", "words,kind")
    model = str(models / "bert")
    assert run(monkeypatch, "inspect", "--task", "classify", "-m", model, "-d", "t.csv", *chosen) == 0
    assert "t.csv: not used: id (8 rows)" in capsys.readouterr().out
    assert (
        run(monkeypatch, "finetune", "classify", "-m", model, "-d", "t.csv", *chosen, "-o", "r", "budget_steps=1") == 0
    )
    assert "warning: t.csv: not used: id (8 rows)" in capsys.readouterr().err
    assert run(monkeypatch, "evaluate", "r/model", "-d", "t.csv", *chosen) == 0
    assert "rows         8" in capsys.readouterr().out
    assert run(monkeypatch, "predict", "r/model", "-i", "t.csv", "--columns", "words", "-o", "p.jsonl") == 0
    assert len(Path("p.jsonl").read_text().splitlines()) == 8
    assert run(monkeypatch, "evaluate", "r/model", "-d", "t.csv", 'data.rows.columns=["words","kind"]') == 0
    assert run(monkeypatch, "evaluate", "r/model", "-d", "t.csv", 'columns=["words","kind"]') == 0
    assert run(monkeypatch, "evaluate", "r/model", "-d", "t.csv") == 2
    said = capsys.readouterr().err
    assert "expected the keys {text} of label rows, found {kind, id, words}" in said and "--columns" in said


def test_the_encoding_of_rows_is_an_option_of_every_command(models, tmp_path, monkeypatch, capsys):  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    Path("r.csv").write_bytes("text,label\n冰,cold\n火,hot\n".encode("gbk"))
    task = ["--task", "classify", "--model", str(models / "bert"), "--data", "r.csv"]
    assert run(monkeypatch, "inspect", *task) == 2
    assert "r.csv: line 2: expected UTF-8" in capsys.readouterr().err
    assert run(monkeypatch, "inspect", *task, "--encoding", "gbk") == 0
    assert "r.csv: file read as gbk" in capsys.readouterr().out
    learn = ["--model", str(models / "bert"), "--data", "r.csv", "budget_steps=1"]
    assert run(monkeypatch, "finetune", "classify", *learn, "--encoding", "gbk", "-o", "run") == 0
    assert run(monkeypatch, "evaluate", "run/model", "--data", "r.csv", "--encoding", "gbk") == 0
    assert run(monkeypatch, "predict", "run/model", "--input", "r.csv", "--encoding", "gbk", "--out", "p.jsonl") == 0
    assert [json.loads(line)["text"] for line in Path("p.jsonl").read_text().splitlines()] == ["冰", "火"]
