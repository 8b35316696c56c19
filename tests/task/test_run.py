import json
import signal

import pytest
import torch
from safetensors.torch import load_file

import tiny
from trivium import api
from trivium.base.config import dump, parse
from trivium.base.errors import ConfigError, DataError, TriviumError
from trivium.data.loader import Loader
from trivium.data.prepare import Preparation, prepare
from trivium.task.run import count_steps, data_identity, open_rows, row_length, run
from trivium.text.tokenizer import Tokenizer
from trivium.train.recipe import Recipe
from trivium.train.run import Interrupted

LINES = ["The river runs past the old stone bridge.", "A letter came in the morning.", "Winter fell on the garden."]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("task")
    for number in range(24):
        text = "\n".join(LINES[(number + i) % 3] + f" {number * i}" for i in range(3))
        (folder / f"{number:02d}.txt").write_text(text)
    prepare([folder], folder / "data", Preparation(tokenizer="bytes", near=None, valid_share=0.2))
    return folder / "data"


@pytest.fixture(scope="module")
def questions(tmp_path_factory):
    file = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    rows = [{"question": f"What is {n}?", "context": "", "answer": f"A number, {n}."} for n in range(12)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def pretraining(data, **changes):
    tree = {
        "data": {"path": [str(data)], "length": 32},
        "model": {"preset": "llama", "depth": 1, "hidden_size": 16, "vocab_size": 384, "context": 64},
        "optim": {"lr": 1e-2}, "precision": "fp32", "batch_tokens": 128, "micro_rows": 2, "log_every_steps": 1,
        "eval_every_steps": 2, **changes,
    }  # fmt: skip
    return parse(Recipe, {"budget_steps": 4, **tree} if not any("budget" in key for key in changes) else tree)


def tuning(model, questions, **changes):
    tree = dump(pretraining("", **changes))
    tree |= {
        "data": {"path": [str(questions)], "length": 64},
        "objective": "instruct",
        "model": None,
        "init": str(model),
    }
    return parse(Recipe, tree)


@pytest.fixture(scope="module")
def pretrained(data, tmp_path_factory):
    return run(pretraining(data), tmp_path_factory.mktemp("runs") / "first")


def metrics(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def weights(folder):
    return (folder / "model.safetensors").read_bytes()


def test_pretraining_leaves_a_whole_run_folder(pretrained, data):
    folder = pretrained.parent
    names = {path.name for path in folder.iterdir()} - {".lock"}
    assert {"recipe.json", "environment.json", "metrics.jsonl", "checkpoints", "model"} <= names
    recipe = json.loads((folder / "recipe.json").read_text())
    assert parse(Recipe, recipe["recipe"]) == pretraining(data)
    assert recipe["tokenizer"] == Tokenizer.load(data / "tokenizer").identity
    assert recipe["data"] == json.loads((data / "manifest.json").read_text())["dataset_id"]
    kernels = json.loads((folder / "environment.json").read_text())["kernels"]
    assert list(kernels) == ["decoder, causal, rope"] and kernels["decoder, causal, rope"].startswith("sdpa: whole")


def test_the_model_folder_is_the_trained_model(pretrained):
    model = api.load(pretrained)
    (newest,) = sorted((pretrained.parent / "checkpoints").iterdir())[-1:]
    stored = load_file(newest / "model.safetensors")
    state = model.transformer.state_dict()
    assert all(torch.equal(state[name], value) for name, value in stored.items())
    assert model.tokenizer.identity == json.loads((pretrained.parent / "recipe.json").read_text())["tokenizer"]
    assert model.record["result"]["step"] == 4 and model.record["recipe"]["budget_steps"] == 4


def test_it_is_scored_on_the_documents_held_out(pretrained):
    scores = [line for line in metrics(pretrained.parent) if "valid_loss" in line]
    assert [line["step"] for line in scores] == [2, 4]
    assert all(line["valid_bits_per_byte"] > 0 and line["valid_targets"] > 50 for line in scores)


def test_a_stopped_run_goes_on_to_the_same_model(pretrained, data, tmp_path, monkeypatch):
    stream = Loader.stream

    def signalled(self, start, stop):
        for step, batches in enumerate(stream(self, start, stop), start + 1):
            if step == 2:
                signal.raise_signal(signal.SIGINT)
            yield batches

    monkeypatch.setattr(Loader, "stream", signalled)
    with pytest.raises(Interrupted):
        run(pretraining(data), tmp_path / "run")
    monkeypatch.undo()
    with pytest.raises(TriviumError, match="add --resume"):
        run(pretraining(data), tmp_path / "run")
    assert weights(run(pretraining(data), tmp_path / "run", resume=True)) == weights(pretrained)


def test_another_seed_is_another_model(pretrained, data, tmp_path):
    assert weights(run(pretraining(data, seed=1), tmp_path / "run")) != weights(pretrained)


def test_another_recipe_is_not_resumed(pretrained, data):
    with pytest.raises(ConfigError, match=r"recipe\.json: recipe\.optim\.lr was 0\.01 and is now 0\.5"):
        run(pretraining(data, optim={"lr": 0.5}), pretrained.parent, resume=True)


def test_tuning_goes_on_from_a_model_folder(pretrained, questions, tmp_path):
    folder = run(tuning(pretrained, questions, budget_epochs=2.0), tmp_path / "run")
    assert weights(folder) != weights(pretrained)
    assert api.load(folder).tokenizer.identity == api.load(pretrained).tokenizer.identity
    losses = [line["loss"] for line in metrics(folder.parent) if "loss" in line]
    assert losses[-1] < losses[0]


def test_only_answers_and_their_ends_are_targets(pretrained, questions):
    recipe = tuning(pretrained, questions)
    model = api.load(pretrained)
    tokenizer = model.tokenizer
    rows, valid = open_rows(recipe, model, 64)
    count = sum(int((e.targets["token"] >= 0).sum()) for i in range(rows.size(0)) for e in rows.row(0, i))
    assert valid is None
    assert count == sum(len(tokenizer.encode(f"A number, {n}.")) + 1 for n in range(12))


def test_rows_to_score_on_may_be_given(pretrained, questions, tmp_path):
    recipe = tuning(pretrained, questions)
    recipe = recipe.replace(data=recipe.data.replace(valid=(str(questions),)))
    folder = run(recipe, tmp_path / "run").parent
    assert [line["valid_bits_per_byte"] for line in metrics(folder) if "valid_loss" in line] == [None, None]


@pytest.mark.parametrize(
    ("budget", "steps", "samples"),
    [
        ({"budget_steps": 7}, 7, None), ({"budget_tokens": 1000}, 7, None), ({"budget_tokens": 1}, 1, None),
        ({"budget_epochs": 1.0}, 4, 14), ({"budget_epochs": 2.5}, 9, 35), ({"budget_epochs": 0.01}, 1, 1),
    ],
)  # fmt: skip
def test_a_budget_is_so_many_steps(budget, steps, samples):
    rows = tiny.example_rows([tiny.example(3, 8, seed=n) for n in range(14)])
    loader = tiny.loader(rows, step_rows=4)
    assert count_steps(tiny.recipe(batch_tokens=128, **budget), loader) == steps and loader.samples == samples


def test_a_row_is_as_long_as_asked_or_as_the_context():
    model = api.Model(tiny.model("gpt2"))
    assert row_length(tiny.recipe(), model) == 64
    assert row_length(tiny.recipe(data={"path": ["x"], "length": 48}), model) == 48
    with pytest.raises(ConfigError, match=r"data\.length: expected at most the model's 64 positions, found 65"):
        row_length(tiny.recipe(data={"path": ["x"], "length": 65}), model)


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


def test_data_of_another_tokenizer_is_refused(pretrained, data, tmp_path):
    Tokenizer.train(
        [f"{line} {word}s" for line in LINES for word in ("moon", "cloud", "ember", "lantern")] * 9, 448
    ).save(tmp_path / "tokenizer")
    source = data.parent / "00.txt"
    options = Preparation(tokenizer=str(tmp_path / "tokenizer"), near=None)
    prepare([source], tmp_path / "data", options)
    tree = dump(pretraining(tmp_path / "data")) | {"model": None, "init": str(pretrained)}
    with pytest.raises(DataError, match="was encoded with another tokenizer than the model's"):
        run(parse(Recipe, tree), tmp_path / "run")


def test_what_is_trained_on_has_an_identity(data, questions, pretrained, tmp_path):
    assert data_identity(pretraining(data)) == json.loads((data / "manifest.json").read_text())["dataset_id"]
    first = data_identity(tuning(pretrained, questions))
    copy = tmp_path / "rows.jsonl"
    copy.write_bytes(questions.read_bytes())
    assert data_identity(tuning(pretrained, copy)) == first
    copy.write_text(copy.read_text() + "\n")
    assert data_identity(tuning(pretrained, copy)) != first


def test_rows_that_are_dropped_are_told(pretrained, questions, capsys):
    recipe = tuning(pretrained, questions)
    with pytest.raises(DataError, match="no rows to train on"):
        open_rows(recipe, api.load(pretrained), 8)
    long = questions.with_name("long.jsonl")
    long.write_text(questions.read_text() + json.dumps({"question": "x" * 99, "context": "", "answer": "y"}) + "\n")
    open_rows(tuning(pretrained, long), api.load(pretrained), 64)
    assert "dropped 1 rows: longer than 64 tokens" in capsys.readouterr().out
