"""`trivium inspect` shows what training reads, and red flags are seen."""

from pathlib import Path

import numpy as np
import pytest

from trivium.base.batch import collate
from trivium.base.types import IGNORE, Example, Message
from trivium.data.prepare import Preparation, prepare
from trivium.lab.inspect import examine, red_flags, spoken, table
from trivium.objective.instruct import Instruct
from trivium.text.template import ids, render
from trivium.text.tokenizer import Tokenizer
from trivium.train.recipe import Recipe

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


def test_examine_prints_the_row_of_a_recipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.txt").write_text("one two three four five six\n" * 20)
    prepare([tmp_path / "a.txt"], tmp_path / "data", Preparation(tokenizer="bytes"))
    (tmp_path / "r.toml").write_text(
        f'budget_steps = 1\n[data]\npath = "{tmp_path}/data"\nlength = 16\n'
        '[model]\npreset = "llama"\ndepth = 1\ncontext = 16\n'
    )
    assert examine(tmp_path / "r.toml", [], count=2, start=0) == 0
    assert capsys.readouterr().out.count("16 tokens in 1 documents") >= 1
