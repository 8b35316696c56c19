import shutil

import pytest

import tiny
import trivium
from pieces import pieces
from runs import pretraining, tuning
from trivium import api
from trivium.base.errors import ConfigError, DataError, ModelError, TriviumError
from trivium.corpus.prepare import Preparation, prepare
from trivium.task.run import run
from trivium.task.start import bare_model, row_length


def test_a_row_is_as_long_as_asked_or_as_the_context():
    model = api.Model(tiny.model("gpt2"))
    assert row_length(tiny.recipe(), model) == 64
    assert row_length(tiny.recipe(data={"path": ["x"], "length": 48}), model) == 48
    with pytest.raises(ConfigError, match=r"data\.length: expected at most the model's context of 64, found 65"):
        row_length(tiny.recipe(data={"path": ["x"], "length": 65}), model)


def test_a_fresh_model_tells_stock_how_its_rows_began(tmp_path):
    transformers = pytest.importorskip("transformers")
    text, other = tmp_path / "a.txt", pieces("bytes")
    text.write_text("the user says what abs does\n" * 40)
    other.save(tmp_path / "other")
    prepare([text], tmp_path / "data", Preparation(tokenizer=str(tmp_path / "other"), near=None, valid_share=0))
    for objective, preset, before, after in (
        ("causal", "llama", [1], []),
        ("masked", "bert", [1], [2]),
        ("infill", "bart", [1], [2]),
    ):
        model = {"preset": preset, "depth": 1, "hidden_size": 16, "vocab_size": other.size, "context": 64}
        made = bare_model(pretraining(tmp_path / "data", model=model, objective=objective))
        stock = transformers.AutoTokenizer.from_pretrained(made.save(tmp_path / objective))
        assert made.encode("the user") == [*before, *other.encode("the user"), *after] == stock("the user")["input_ids"]
        assert trivium.load(tmp_path / objective).encode("the user") == made.encode("the user")


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


def test_a_model_that_cannot_be_trained_here_is_refused_before_anything_is_allocated(data, tmp_path):
    wide = {"preset": "llama", "hidden_size": 4_000_000, "decoder": {"layers": 1, "heads": 2, "head_size": 64}}
    for changes in ({"model": {**wide, "vocab_size": 384}}, {"micro_rows": 1 << 20, "batch_tokens": 1 << 30}):
        with pytest.raises(ConfigError, match=r"model: training needs about [\d,]+ GiB, and this machine has"):
            run(pretraining(data, **changes), tmp_path / "run")
    assert not (tmp_path / "run").exists()
