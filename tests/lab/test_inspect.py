"""`trivium inspect` shows what training reads, and red flags are seen."""

from pathlib import Path

import numpy as np
import pytest

import small
from pieces import EACH_TURN
from trivium.base.batch import collate
from trivium.base.types import IGNORE, Example, Message
from trivium.corpus.prepare import Preparation, prepare
from trivium.lab.inspect import examine, red_flags, spoken, table
from trivium.objective.instruct import Instruct
from trivium.task.finetune import recipe_for
from trivium.token.template import ids, render
from trivium.token.tokenizer import Tokenizer
from trivium.train.recipe import Recipe, read_recipe

BYTES = Tokenizer.bytes()
TALK = (Message("user", "hi"), Message("assistant", "yo"))


def recipe(objective: str) -> Recipe:
    return Recipe.model_validate({"data": {"path": "x"}, "objective": objective, "init": "m", "budget_steps": 1})


def row(example: Example) -> object:
    return collate([[example]], BYTES.vocabulary.pad, 12)


def test_each_position_shows_the_token_it_must_predict() -> None:
    lines = list(table(row(Instruct().dialogue(render(TALK, BYTES))), BYTES))
    body = [line.split() for line in lines[1:-1]]
    assert [words[-1] for words in body] == ["off"] * 5 + ["on"] * 3 + ["off"]
    assert body[5][-3:] == ["<|assistant|>", "y", "on"]
    assert body[7][-3:] == ["o", "<|end|>", "on"]
    assert "3 padding, 3 targets" in lines[-1]


def test_roles_follow_the_markers() -> None:
    tokens = np.array(ids(render(TALK, BYTES)))
    roles = spoken(tokens, np.ones_like(tokens), BYTES)
    assert roles == [""] + ["user"] * 4 + ["assistant"] * 4


def test_a_good_row_has_no_red_flag() -> None:
    assert red_flags(row(Instruct().dialogue(render(TALK, BYTES))), BYTES, recipe("instruct")) == []


@pytest.mark.parametrize(
    ("change", "flag"),
    [
        (lambda tokens, targets: (tokens, np.full_like(targets, IGNORE)), "no position"),
        (lambda tokens, targets: (np.where(np.arange(len(tokens)) == 2, 1, tokens), targets), "2 BOS"),
        (lambda tokens, targets: (tokens, np.where(targets == BYTES.id_of("<|end|>"), IGNORE, targets)), "its end"),
    ],
)
def test_what_is_wrong_is_flagged(change, flag: str) -> None:  # type: ignore[no-untyped-def]
    good = Instruct().dialogue(render(TALK, BYTES))
    tokens, targets = change(good.dec, good.targets["token"])
    found = red_flags(row(Example(dec=tokens, targets={"token": targets})), BYTES, recipe("instruct"))
    assert any(flag in one for one in found)


def test_a_template_that_begins_each_turn_with_bos_is_no_red_flag() -> None:
    each = Tokenizer(BYTES.json, BYTES.config, EACH_TURN)
    assert red_flags(row(Instruct().dialogue(render(TALK, each))), each, recipe("instruct")) == []


def test_examine_prints_the_row_of_a_recipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.txt").write_text("one two three four five six\n" * 20)
    prepare([tmp_path / "a.txt"], tmp_path / "data", Preparation(tokenizer="bytes"))
    (tmp_path / "r.toml").write_text(
        f'budget_steps = 1\n[data]\npath = "{tmp_path}/data"\nlength = 16\n'
        '[model]\npreset = "llama"\ndepth = 1\ncontext = 16\n'
    )
    assert examine(read_recipe(tmp_path / "r.toml"), count=2, start=0) == 0
    assert capsys.readouterr().out.count("16 tokens in 1 documents") >= 1


def test_shares_and_flags_are_of_all_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch) -> None:  # type: ignore[no-untyped-def]
    made = [{"prompt": "p" * n, "completion": "c"} for n in (5, 6, 200)]
    file = small.rows(tmp_path / "r.jsonl", made)
    words = ["data.packing=pad", "batch_tokens=64", "micro_rows=1"]
    recipe = recipe_for("chat", small.folder(tmp_path, "llama"), [str(file)], overrides=words)
    assert examine(recipe, 1, 0) == 0
    said = capsys.readouterr().out
    assert "2 rows, 2 documents, 23 tokens" in said and "1 rows dropped: longer than 64 tokens" in said
    dialogue = Instruct.dialogue

    def forgetful(self, segments, weight=1.0):  # type: ignore[no-untyped-def]
        """The bug: the end of an answer is not trained."""
        made = dialogue(self, segments, weight)
        targets = np.where(made.targets["token"] == BYTES.id_of("<|end|>"), IGNORE, made.targets["token"])
        return Example(dec=made.dec, targets={"token": targets})

    monkeypatch.setattr(Instruct, "dialogue", forgetful)
    assert examine(recipe, 1, 0) == 1
    said = capsys.readouterr().out
    assert "RED FLAG: a document trains an answer but not its end: 2 times, first in sample 0" in said


ROWS = {
    "classify": [{"text": "a", "label": "x"}, {"text": "bb", "label": "y"}],
    "tag": [{"tokens": ["a", "b"], "tags": ["O", "X"]}],
    "extract": [{"question": "q", "context": "ab c", "answers": {"text": ["c"], "answer_start": [3]}}],
    "embed": [{"anchor": "a", "positive": "b", "negative": "c"}],
    "prefer": [{"prompt": "q", "chosen": "a", "rejected": "b"}],
}


@pytest.mark.parametrize(
    ("task", "preset", "said"),
    [
        ("classify", "bert", "label: x"),
        ("classify", "bart", "encoder reads: <s>"),
        ("tag", "bert", f"X{' ' * 20}on"),
        ("extract", "bert", "start: 6"),
        ("embed", "bert", "group: 2"),
        ("prefer", "llama", "margin: "),
    ],
)
def test_rows_of_every_task_are_shown(task: str, preset: str, said: str, tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    file = small.rows(tmp_path / "r.jsonl", ROWS[task])
    words = ["data.packing=pad", "micro_rows=1", "batch_tokens=64"]
    recipe = recipe_for(task, small.folder(tmp_path, preset), [str(file)], overrides=words, head=True)
    assert examine(recipe, len(ROWS[task]), 0, tmp_path / "p.html") == 0 and (tmp_path / "p.html").is_file()
    assert examine(recipe, len(ROWS[task]), 0) == 0
    found = capsys.readouterr().out
    assert said in found and ("one target as a whole" in found) == (task not in ("tag",))


def test_what_is_not_used_and_the_texts_of_answers_are_told(tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    made = [{"question": "q", "context": "ab c", "answer": "c", "level": 1, "system": "s"}]
    file = small.rows(tmp_path / "r.jsonl", made * 3)
    recipe = recipe_for("extract", small.folder(tmp_path, "bert"), [str(file)], overrides=["micro_rows=1"])
    assert examine(recipe, 1, 0) == 1
    said = capsys.readouterr().out
    assert "answer: 'c', 'c', 'c'" in said and "3 rows, read as squad" in said and "not used: level (3 rows)" in said
    assert "looked at  1 of 1 rows, 3 documents" in said and "; 3 texts have one target as a whole" in said
    assert "RED FLAG: " in said and "the key 'system' of 3 rows is not used" in said
