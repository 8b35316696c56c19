import json

import pytest

from runs import LINES, pretraining, tuning
from trivium import api
from trivium.base.config import dump, parse
from trivium.base.errors import DataError
from trivium.corpus.prepare import Preparation, prepare
from trivium.image.lines.face import shipped
from trivium.image.lines.line import Drawing
from trivium.rows.lines import texts
from trivium.task.feed import data_identity, open_rows
from trivium.task.run import run
from trivium.token.tokenizer import Tokenizer
from trivium.train.recipe import Recipe


def test_data_of_another_tokenizer_is_refused(pretrained, data, tmp_path):
    Tokenizer.train(
        [f"{line} {word}s" for line in LINES for word in ("moon", "cloud", "ember", "lantern")] * 9, 448
    ).save(tmp_path / "tokenizer")
    source = data.parent / "00.txt"
    options = Preparation(tokenizer=str(tmp_path / "tokenizer"), near=None)
    prepare([source], tmp_path / "data", options)
    tree = dump(pretraining(tmp_path / "data")) | {"model": None, "init": str(pretrained)}
    with pytest.raises(DataError, match="encoded with another tokenizer than the model's"):
        run(parse(Recipe, tree), tmp_path / "run")


def test_what_is_trained_on_has_an_identity(data, questions, pretrained, tmp_path):
    assert data_identity(pretraining(data)) == json.loads((data / "manifest.json").read_text())["dataset_id"]
    first = data_identity(tuning(pretrained, questions))
    copy = tmp_path / "rows.jsonl"
    copy.write_bytes(questions.read_bytes())
    assert data_identity(tuning(pretrained, copy)) == first
    copy.write_text(copy.read_text() + "\n")
    assert data_identity(tuning(pretrained, copy)) != first


def test_drawn_lines_have_the_identity_of_what_they_are_drawn_of(pretrained, tmp_path):
    file = tmp_path / "mine.txt"
    file.write_text("one text\n")

    def identity(name, **drawing):
        recipe = tuning(pretrained, name)
        rows = recipe.data.rows.replace(lines=Drawing(text=(str(file),), **drawing))
        return data_identity(recipe.replace(data=recipe.data.replace(rows=rows)))

    first = identity("lines:clean")
    assert identity("lines:clean") == first != identity("lines:hard")
    assert first != identity("lines:clean", seed=1)
    assert first != identity("lines:clean", fonts=(str(shipped()[0].path),))
    file.write_text("another text\n")
    texts.cache_clear()
    assert identity("lines:clean") != first


def test_rows_that_are_dropped_are_told(pretrained, questions, capsys):
    recipe = tuning(pretrained, questions)
    with pytest.raises(DataError, match="no rows to train on"):
        open_rows(recipe, api.load(pretrained), 8)
    long = questions.with_name("long.jsonl")
    long.write_text(questions.read_text() + json.dumps({"question": "x" * 99, "context": "", "answer": "y"}) + "\n")
    open_rows(tuning(pretrained, long), api.load(pretrained), 64)
    assert "dropped 1 rows: longer than 64 tokens" in capsys.readouterr().out
