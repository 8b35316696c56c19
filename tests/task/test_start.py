import shutil

import pytest

import tiny
from runs import pretraining, tuning
from trivium import api
from trivium.base.errors import ConfigError, DataError, ModelError, TriviumError
from trivium.task.run import run
from trivium.task.start import row_length


def test_a_row_is_as_long_as_asked_or_as_the_context():
    model = api.Model(tiny.model("gpt2"))
    assert row_length(tiny.recipe(), model) == 64
    assert row_length(tiny.recipe(data={"path": ["x"], "length": 48}), model) == 48
    with pytest.raises(ConfigError, match=r"data\.length: expected at most the model's context of 64, found 65"):
        row_length(tiny.recipe(data={"path": ["x"], "length": 65}), model)


def test_a_model_without_a_tokenizer_trains_on_nothing(pretrained, questions, tmp_path):
    shutil.copytree(pretrained, tmp_path / "bare")
    (tmp_path / "bare" / "tokenizer.json").unlink()
    for recipe in (tuning(tmp_path / "bare", questions), tuning(tmp_path / "bare", questions, tokens=["<x>"])):
        with pytest.raises(ModelError, match=r"bare has no tokenizer \(no tokenizer\.json\): give ids, or set"):
            run(recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_what_does_not_fit_together_is_one_clear_error(data, pretrained, questions, tmp_path):
    cases = [
        (pretraining(tmp_path), DataError, "not a data folder: no manifest.json in it"),
        (pretraining(tmp_path / "nowhere"), DataError, "not a data folder: no such folder"),
        (pretraining(data, objective="instruct"), DataError, "a fresh model takes its tokenizer from a data folder"),
        (
            pretraining(data, model={"preset": "llama", "depth": 1, "vocab_size": 100}),
            ConfigError,
            "vocab_size: expected the tokenizer's 384, found 100",
        ),
        (tuning(pretrained, tmp_path / "no.jsonl"), DataError, r"no\.jsonl: .*[Nn]o such file"),
        (tuning(tmp_path, questions), TriviumError, str(tmp_path)),
    ]
    for recipe, kind, message in cases:
        with pytest.raises(kind, match=message) as error:
            run(recipe, tmp_path / "run")
        assert "\n" not in str(error.value)
        assert not (tmp_path / "run").exists()
