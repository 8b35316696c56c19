"""Tuning with adapters: only they learn, they are kept beside the merged model, and a stopped run goes on."""

import json
import signal

import pytest
import torch

import trivium
from tolerance import close
from trivium.base.config import parse
from trivium.data.loader import Loader
from trivium.data.prepare import Preparation, prepare
from trivium.interop.adapter import CONFIG, load_adapter
from trivium.task.run import run
from trivium.train.recipe import Recipe
from trivium.train.run import Interrupted

COMMON = {"optim": {"lr": 3e-2}, "precision": "fp32", "batch_tokens": 128, "micro_rows": 2, "log_every_steps": 1}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    folder = tmp_path_factory.mktemp("base")
    source = folder / "text.jsonl"
    texts = [f"The {word} has {i} letters and a story of its own." for i, word in enumerate("abcdefgh")]
    source.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    prepare([source], folder / "data", Preparation(tokenizer="bytes", near=None))
    model = {"preset": "llama", "depth": 1, "hidden_size": 16, "vocab_size": 384, "context": 64}
    tree = {"data": {"path": [str(folder / "data")], "length": 32}, "model": model, "budget_steps": 2, **COMMON}
    return run(parse(Recipe, tree), folder / "run")


@pytest.fixture(scope="module")
def recipe(base, tmp_path_factory):
    rows = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    rows.write_text(
        "".join(json.dumps({"question": f"{i}?", "context": "", "answer": str(i)}) + "\n" for i in range(9))
    )
    tree = {"data": {"path": [str(rows)], "length": 64}, "objective": "instruct", "init": str(base),
            "budget_steps": 4, "lora": {"rank": 4, "dropout": 0.1}, **COMMON}  # fmt: skip
    return parse(Recipe, tree)


@pytest.fixture(scope="module")
def tuned(recipe, tmp_path_factory):
    return run(recipe, tmp_path_factory.mktemp("tuned") / "run")


def test_only_adapters_learn_and_they_are_kept(base, tuned):
    lines = [json.loads(line) for line in (tuned.parent / "metrics.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if "loss" in line]
    assert losses[-1] < losses[0]
    merged, plain, ids = trivium.load(tuned), trivium.load(base), torch.tensor([[5, 70, 71, 72]])
    assert torch.equal(merged.transformer.tokens.weight, plain.transformer.tokens.weight)
    assert not close(merged.logits(ids), plain.logits(ids))
    load_adapter(tuned.parent / "adapter", plain.transformer)
    assert close(plain.logits(ids), merged.logits(ids))
    assert json.loads((tuned.parent / "adapter" / CONFIG).read_text())["base_model_name_or_path"] == str(base)


def test_a_stopped_run_goes_on_to_the_same_model(recipe, tuned, tmp_path, monkeypatch):
    stream = Loader.stream

    def signalled(self, start, stop):
        for step, batches in enumerate(stream(self, start, stop), start + 1):
            if step == 2:
                signal.raise_signal(signal.SIGINT)
            yield batches

    monkeypatch.setattr(Loader, "stream", signalled)
    with pytest.raises(Interrupted):
        run(recipe, tmp_path / "run")
    monkeypatch.undo()
    again = run(recipe, tmp_path / "run", resume=True)
    assert (again / "model.safetensors").read_bytes() == (tuned / "model.safetensors").read_bytes()
