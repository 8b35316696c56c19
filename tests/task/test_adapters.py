"""Tuning with adapters: only they learn, they are kept beside the merged model, and a stopped run goes on."""

import json

import pytest
import torch
from safetensors.torch import load_file

import small
import trivium
from runs import interrupt
from tolerance import close
from trivium.base.config import parse
from trivium.base.process import Interrupted
from trivium.corpus.prepare import Preparation, prepare
from trivium.interop.adapter.load import load_adapter
from trivium.interop.adapter.save import CONFIG
from trivium.model.adapt import Lora
from trivium.task.finetune import finetune, recipe_for
from trivium.task.run import run
from trivium.train.recipe import Recipe

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
    tree = {
        "data": {"path": [str(rows)], "length": 64},
        "objective": "instruct",
        "init": str(base),
        "budget_steps": 4,
        "lora": {"rank": 4, "dropout": 0.1},
        **COMMON,
    }
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
    interrupt(monkeypatch)
    with pytest.raises(Interrupted):
        run(recipe, tmp_path / "run")
    monkeypatch.undo()
    again = run(recipe, tmp_path / "run", resume=True)
    assert (again / "model.safetensors").read_bytes() == (tuned / "model.safetensors").read_bytes()


ROWS = {
    "chat": {"prompt": "q", "completion": "a"},
    "translate": {"source": "a", "target": "b"},
    "summarize": {"document": "a b", "summary": "a"},
    "prefer": {"prompt": "q", "chosen": "a", "rejected": "b"},
    "classify": {"text": "a", "label": "x"},
    "tag": {"tokens": ["a", "b"], "tags": ["O", "X"]},
    "extract": {"question": "q", "context": "ab c", "answers": {"text": ["c"], "answer_start": [3]}},
    "embed": {"anchor": "a", "positive": "b", "negative": "c"},
}
FAST = [("classify", "bert"), ("translate", "t5"), ("prefer", "gpt2")]
SLOW = [
    ("chat", "llama"),
    ("chat", "bart"),
    ("classify", "llama"),
    ("classify", "t5"),
    ("classify", "modernbert"),
    ("tag", "modernbert"),
    ("tag", "gpt2"),
    ("extract", "bert"),
    ("embed", "bert"),
    ("embed", "llama"),
    ("summarize", "bart"),
    ("summarize", "llama"),
    ("prefer", "llama"),
]


@pytest.mark.parametrize(("task", "preset"), [*FAST, *(pytest.param(*one, marks=pytest.mark.slow) for one in SLOW)])
def test_any_task_of_any_family_is_learned_by_adapters(task, preset, tmp_path):
    made = [ROWS[task], {**ROWS[task], "label": "y"}] * 2 if task == "classify" else [ROWS[task]] * 4
    file = str(small.rows(tmp_path / "r.jsonl", made))
    base = small.folder(tmp_path, preset)
    words = [*small.FAST, "budget_epochs=2", "lora.rank=2"]
    head = task == "classify"
    merged, _ = finetune(task, recipe_for(task, base, [file], overrides=words, head=head), tmp_path / "run")
    before, after = (trivium.load(folder).transformer.state_dict() for folder in (base, merged))
    shared = [name for name in before if name in after and not name.startswith("head.")]
    changed = {name.split(".")[-2] for name in shared if not before[name].equal(after[name])}
    assert changed and changed <= {*Lora().targets}, "nothing but the matrices that have adapters, and the task's head"
    if task == "embed":
        return  # kept merged alone: no stock class is told by a vector
    again = trivium.load(tmp_path / "run" / "adapter")
    assert again.config.head == trivium.load(merged).config.head
    close_to = again.transformer.state_dict()
    assert close_to.keys() == after.keys() and all(close(close_to[name], value) for name, value in after.items())
    saved = load_file(tmp_path / "run" / "adapter" / "adapter_model.safetensors")
    assert any("lora_A" in name for name in saved)
    assert any("lora" not in name for name in saved) == (task in ("classify", "tag", "extract"))
