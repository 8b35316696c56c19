import json
import time

import pytest
import torch
from safetensors.torch import load_file

import tiny
from ranks import together
from runs import interrupt, pretraining, tuning
from trivium import api
from trivium.base.config import override, parse
from trivium.base.errors import ConfigError, TriviumError
from trivium.base.process import Interrupted
from trivium.task.feed import open_rows
from trivium.task.run import count_steps, run
from trivium.token.tokenizer import Tokenizer
from trivium.train.exact.certificate import FILE, sealed
from trivium.train.parallel.layout import Parallelism
from trivium.train.recipe import Recipe, lay


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
    assert [line["step"] for line in scores] == [0, 2, 4]
    held_out = api.load(pretrained).record["held_out"]
    assert held_out["loss"] == scores[-1]["valid_loss"] and held_out["targets"] == scores[-1]["valid_targets"]
    card = (pretrained / "README.md").read_text()
    assert f"| held-out loss | {held_out['loss']:.4g} |" in card and "licence of the data: CC0-1.0" in card
    assert all(line["valid_bits_per_byte"] > 0 and line["valid_targets"] > 50 for line in scores)


def test_a_stopped_run_goes_on_to_the_same_model(pretrained, data, tmp_path, monkeypatch):
    interrupt(monkeypatch)
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
    assert [line["valid_bits_per_byte"] for line in metrics(folder) if "valid_loss" in line] == [None] * 3


@pytest.mark.parametrize(
    ("budget", "steps", "samples"),
    [
        ({"budget_steps": 7}, 7, None),
        ({"budget_tokens": 1000}, 7, None),
        ({"budget_tokens": 1}, 1, None),
        ({"budget_epochs": 1.0}, 4, 14),
        ({"budget_epochs": 2.5}, 9, 35),
        ({"budget_epochs": 0.01}, 1, 1),
    ],
)
def test_a_budget_is_so_many_steps(budget, steps, samples):
    rows = tiny.example_rows([tiny.example(3, 8, seed=n) for n in range(14)])
    loader = tiny.loader(rows, step_rows=4)
    assert count_steps(tiny.recipe(batch_tokens=128, **budget), loader) == steps and loader.samples == samples


def test_a_run_of_seconds_ends_on_time_and_its_record_says_how_to_repeat_it(data, tmp_path):
    recipe = pretraining(data, budget_minutes=3 / 60, schedule={"kind": "wsd", "warmup_steps": 2}, eval_every_steps=50)
    began = time.monotonic()
    model = run(recipe, tmp_path / "minutes")
    assert 1.5 < time.monotonic() - began < 6, "3 s, on a machine that others use"
    record = api.load(model).record
    repeats = record["result"]["repeats"]
    tree = override(record["recipe"], repeats.split(), lay)
    assert f"budget_steps={record['result']['step']}" in repeats and "turns" in repeats and "precision" not in repeats
    assert weights(run(parse(Recipe, tree), tmp_path / "steps")) == weights(model)


def test_a_run_by_minutes_that_was_stopped_goes_on_by_minutes(data, tmp_path, monkeypatch):
    recipe = pretraining(data, budget_minutes=2 / 60, schedule={"kind": "wsd"}, eval_every_steps=50)
    interrupt(monkeypatch, at=5)
    with pytest.raises(Interrupted, match="stopped after step 5, saved"):
        run(recipe, tmp_path / "run")
    monkeypatch.undo()
    assert api.load(run(recipe, tmp_path / "run", resume=True)).record["result"]["step"] > 5


def test_the_record_says_which_weights_the_model_has(data, tmp_path):
    model = api.load(run(pretraining(data, keep_best=True, ema={"decay": 0.5}), tmp_path / "run"))
    best = model.record["result"]["best"]
    line = next(line for line in metrics(tmp_path / "run") if "valid_loss" in line and line["step"] == best["step"])
    assert model.record["held_out"]["loss"] == best["loss"] == line["valid_loss"]
    assert model.record["held_out"]["weights"] == line["valid_weights"] == "averaged"


@pytest.mark.parametrize("change", [{"keep_best": True}, {"patience": 3}, {"samples": ["A letter"]}])
def test_what_needs_held_out_rows_says_so_where_there_are_none(pretrained, questions, tmp_path, change):
    (name,) = change
    with pytest.raises(ConfigError, match=f"{name}: there are no held-out rows to score; give data.valid"):
        run(tuning(pretrained, questions, **change), tmp_path / "run")
    assert not (tmp_path / "run" / "recipe.json").exists()


def test_samples_are_what_the_model_writes_and_change_no_step(data, tmp_path):
    for name, prompts in (("plain", []), ("sampled", ["A letter", "The"])):
        run(pretraining(data, samples=prompts), tmp_path / name)
    plain, found = (
        [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        for name in ("plain", "sampled")
    )
    assert [line.get("loss") for line in plain] == [line.get("loss") for line in found]
    written = api.load(tmp_path / "sampled" / "model").generate(["A letter", "The"])
    assert found[-1]["valid_samples"] == written and not any("valid_samples" in line for line in plain)
    assert "samples" not in api.load(tmp_path / "sampled" / "model").record["held_out"]


@pytest.mark.slow
@pytest.mark.parametrize("split", ["shard", "tensor"])
def test_a_model_that_is_split_writes_the_samples_of_a_whole_one(data, tmp_path, split):
    recipe, layout = pretraining(data, samples=["A letter"]), Parallelism(**{split: 2})
    run(recipe, tmp_path / "one")
    act = lambda ranks: str(run(recipe.replace(parallel=layout), tmp_path / "two"))
    together(2, act, tmp_path / "ranks", 300.0, layout=layout)
    one, two = ((tmp_path / name / "metrics.jsonl").read_text().splitlines() for name in ("one", "two"))
    assert json.loads(two[-1])["valid_samples"] == json.loads(one[-1])["valid_samples"]


def test_an_encoder_fills_the_gaps_of_its_samples(data, tmp_path):
    sizes = {"depth": 1, "hidden_size": 16, "vocab_size": 384, "context": 64}
    recipe = pretraining(data, model={"preset": "bert", **sizes}, objective="masked", samples="A [MASK] came")
    run(recipe, tmp_path / "run")
    last = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    ((best, _),) = api.load(tmp_path / "run" / "model").fill("A [MASK] came", 1)[0]
    assert last["valid_samples"] == [best]
    with pytest.raises(ConfigError, match=r"^samples: .*mask"):
        run(recipe.replace(samples=("no gap",)), tmp_path / "none")
    assert not (tmp_path / "none" / "model").exists()


def deterministic(data, folder, **changes):
    run(pretraining(data, deterministic=True, budget_steps=2, **changes), folder)
    return folder


def test_a_deterministic_run_is_the_same_for_any_micro_rows_and_processes(data, tmp_path):
    """A step has four rows, so a grain is one; the card tells the certificate."""
    runs = [deterministic(data, tmp_path / str(rows), micro_rows=rows) for rows in (1, 2, "auto")]
    together(2, lambda ranks: str(deterministic(data, tmp_path / "two")), tmp_path / "ranks")
    runs.append(tmp_path / "two")
    assert len({weights(folder / "model") for folder in runs}) == 1
    assert len({(folder / FILE).read_bytes() for folder in runs}) == 1
    record = api.load(runs[0] / "model").record["certificate"]
    assert record["steps"] == 2 and record == sealed(runs[3])
    card = (runs[3] / "model" / "README.md").read_text()
    assert f"chain `{record['chain']}` of 2 steps, 1 threads" in card and "`trivium verify RUN --step 2`" in card


def test_micro_rows_must_be_whole_grains(data, tmp_path):
    with pytest.raises(ConfigError, match="micro_rows: expected a multiple of the grain of 2 rows"):
        deterministic(data, tmp_path / "run", micro_rows=3, grain_rows=2)
    assert not (tmp_path / "run").exists()
