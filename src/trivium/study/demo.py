"""Demo: the whole way in one command. Text, tokenizer, pretraining, fine-tuning, evaluation, a model that answers.

Each stage leaves its result in the folder and is skipped if it is there, so an interrupted demo goes on where it was.
The text is the embedded corpus; nothing is downloaded.
"""

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from trivium import api
from trivium.base.config import parse
from trivium.base.errors import ConfigError
from trivium.base.files import read_json, write_json, writing
from trivium.base.log import duration, progress, say
from trivium.corpus.plan import units
from trivium.corpus.preparation import Preparation
from trivium.corpus.prepare import identify, prepare
from trivium.corpus.read import embedded
from trivium.corpus.report import lines
from trivium.data.rows import DocumentRows
from trivium.data.shards import Corpus
from trivium.lab.picture import loss_curve
from trivium.model.device import reuse_memory
from trivium.objective.causal import CausalLM
from trivium.study import facts, floor
from trivium.study.trial import seconds_per_step
from trivium.task.answer import answer_file, summary
from trivium.task.evaluate import score_folder
from trivium.task.run import run
from trivium.token.tokenizer import Tokenizer
from trivium.train.recipe import Recipe

LENGTH = 256
STEP_TOKENS = 2048
VOCAB_SIZE = 8192
VALID_SHARE = 0.015
SHAPE = {"hidden_size": 256, "decoder": {"layers": 4, "heads": 4}}
"""The depth and width that learn fastest in minutes on two cores."""
TUNE_SHARE = 0.35
"""The share of the training time for fine-tuning."""
OVERHEAD_SECONDS = 90.0
"""The approximate time of collecting, preparing and evaluating."""


def demo(folder: Path, minutes: float) -> dict[str, Any]:
    """Run every stage that is not done yet; print and return the report."""
    clock = time.monotonic()
    with stage("1  text: the documentation inside the installed Python packages"):
        corpus = collect(folder / "corpus.jsonl")
    with stage("2  data: clean, drop duplicates, train a tokenizer, encode"):
        options = Preparation(vocab_size=VOCAB_SIZE, valid_share=VALID_SHARE, shards=1)
        manifest = prepare([corpus], folder / "data", options, keep_work=False)
        for line in lines(manifest):
            say(f"   {line}")
    questions = facts.write(folder / "questions", facts.collect(), seed=0)
    plan = make_plan(folder / "plan.json", minutes, folder, len(questions.train))
    pretrain, tune = recipes(folder, plan)
    with stage(f"3  pretraining: next-token prediction, {plan['pretrain_steps']} steps of {STEP_TOKENS:,} tokens"):
        base = trained(pretrain, folder / "pretrain")
    with stage(f"4  fine-tuning: {len(questions.train):,} rows of questions, loss on the answers alone"):
        tuned = trained(tune, folder / "tune")
    if not (folder / "model").exists():
        try:
            (folder / "model").symlink_to("tune/model")
        except OSError:  # Windows lets few people link
            shutil.copytree(folder / "tune" / "model", folder / "model")
    if not (folder / "report.json").is_file():
        with stage("5  evaluation: beside floors, and answers before and after fine-tuning"):
            report = evaluated(folder, base, tuned, manifest)
        report["seconds"] = round(time.monotonic() - clock, 1)
        write_json(folder / "report.json", report)
    report = read_json(folder / "report.json")
    tell(folder, report)
    return dict(report)


@contextmanager
def stage(title: str) -> Iterator[None]:
    """Print the title of a stage, and then how long it took."""
    say(title)
    start = time.monotonic()
    yield
    say(f"   {duration(time.monotonic() - start)}")


def collect(path: Path) -> Path:
    """Write the embedded corpus as rows, once for each set of installed packages; return the file."""
    stamp = path.with_suffix(".json")
    identity = identify(units(["embedded"]))
    if path.is_file() and stamp.is_file() and read_json(stamp) == identity:
        return path
    with progress("   reading modules", 0, "modules") as bar, writing(path, "w") as handle:

        def seen(done: int, total: int) -> None:
            bar.total = total
            bar.update(done)

        for document in embedded.collect(progress=seen):
            row = {"text": document.text, "name": document.id, "package": document.source}
            handle.write(json.dumps(row, ensure_ascii=False) + "\n")
    write_json(stamp, identity)
    return path


def make_plan(path: Path, minutes: float, folder: Path, rows: int) -> dict[str, Any]:
    """Return the steps for these minutes, by timing a few. The plan is made once, so that a second run is the same.

    Raises ConfigError if the folder holds a plan for other minutes.
    """
    if path.is_file():
        plan = read_json(path)
        if plan["minutes"] != minutes:
            found = f"holds a demo of {plan['minutes']} minutes"
            raise ConfigError(f"{path.parent}: {found}; name another folder with --out")
        return dict(plan)
    rate = tokens_per_second(folder)
    seconds = max(minutes * 60 - OVERHEAD_SECONDS, minutes * 30)
    steps = seconds * rate / STEP_TOKENS
    plan = {
        "minutes": minutes,
        "tokens_per_second": round(rate),
        "pretrain_steps": max(2, int(steps * (1 - TUNE_SHARE))),
        "tune_steps": max(2, int(steps * TUNE_SHARE)),
    }
    write_json(path, plan)
    return plan


def tokens_per_second(folder: Path) -> float:
    """Time a few pretraining steps on this machine."""
    reuse_memory()
    recipe, _ = recipes(folder, {"pretrain_steps": 1, "tune_steps": 1})
    return STEP_TOKENS / seconds_per_step(recipe)


def recipes(folder: Path, plan: dict[str, Any]) -> tuple[Recipe, Recipe]:
    """Return the recipes of pretraining and of fine-tuning."""
    shared = {"batch_tokens": STEP_TOKENS, "micro_rows": 8, "precision": "auto", "log_every_steps": 5}
    steps, tune_steps = plan["pretrain_steps"], plan["tune_steps"]
    vocab_size = Corpus(folder / "data", "train").manifest["vocab_size"]
    pretrain = {
        **shared,
        "data": {"path": str(folder / "data"), "length": LENGTH},
        "model": {"preset": "llama", "vocab_size": vocab_size, "context": 512, "tie": True, "init": "scaled", **SHAPE},
        "optim": {"lr": 3e-3},
        "schedule": {"kind": "wsd", "warmup_steps": min(20, steps // 4)},
        "budget_steps": steps,
        "eval_every_steps": max(1, steps // 3),
        "save_every_steps": max(1, steps // 6),
    }
    tune = {
        **shared,
        "init": str(folder / "pretrain" / "model"),
        "objective": "instruct",
        "data": {
            "path": str(folder / "questions" / "train.jsonl"),
            "valid": str(folder / "questions" / "heldout.jsonl"),
            "length": LENGTH,
        },
        "optim": {"lr": 3e-3, "weight_decay": 0.0},
        "schedule": {"kind": "wsd", "warmup_steps": min(10, tune_steps // 4), "decay": 0.6},
        "budget_steps": tune_steps,
        "eval_every_steps": max(1, tune_steps // 4),
        "save_every_steps": max(1, tune_steps // 4),
    }
    return parse(Recipe, pretrain, "pretrain"), parse(Recipe, tune, "tune")


def trained(recipe: Recipe, folder: Path) -> Path:
    """Return the model folder of a run, which is trained or resumed if it is not there."""
    model = folder / "model"
    return model if model.is_dir() else run(recipe, folder, resume=(folder / "recipe.json").exists())


def evaluated(folder: Path, base: Path, tuned: Path, manifest: dict[str, Any]) -> dict[str, Any]:
    """Return the scores of the pretrained model beside floors, and of the answers before and after fine-tuning."""
    score = score_folder(base, folder / "data", LENGTH)
    floors = measured_floors(folder)
    heldout = folder / "questions" / "heldout.jsonl"
    before, after = (answer_file(api.load(path), heldout) for path in (base, tuned))
    right = [one for one in after if one.exact]
    shown = after[:: len(after) // 5][:5]  # evenly spread, right or wrong
    return {
        "pretrained": score.record(),
        "floors": floors,
        "before": summary(before),
        "after": summary(after),
        "examples": [{"question": one.question, "answer": one.answer, "right": one.exact} for one in shown],
        "right": len(right),
        "dataset": manifest["dataset_id"],
    }


def measured_floors(folder: Path) -> dict[str, dict[str, float]]:
    """Return the scores of n-gram models and of a compressor on the held-out text."""
    vocabulary = (tokenizer := Tokenizer.load(folder / "data" / "tokenizer")).vocabulary
    documents, texts = {}, {}
    size = 0
    for split in ("train", "valid"):
        corpus = Corpus(folder / "data", split)
        rows = DocumentRows(corpus, CausalLM(), vocabulary, LENGTH)
        documents[split] = [rows.framed(document, 0, 1 << 40) for document in range(len(corpus))]
        texts[split] = "\n\n".join(tokenizer.decode(ids.tolist()) for ids in corpus.documents()).encode()
        size = corpus.bytes
    found: dict[str, dict[str, float]] = {}
    for name, order in (("unigram", 1), ("trigram", 3)):
        score = floor.ngram(documents["train"], documents["valid"], vocabulary.size, order, vocabulary.special)
        found[name] = {"loss": score.mean, "bits_per_byte": floor.bits_per_byte(score.content, size)}
    found["xz"] = {"bits_per_byte": floor.xz(texts["train"], texts["valid"])}
    return found


def tell(folder: Path, report: dict[str, Any]) -> None:
    """Print the report, draw the loss curves, and print the next commands."""
    score, floors = report["pretrained"], report["floors"]
    levels = {name: one["loss"] for name, one in floors.items() if "loss" in one}
    loss_curve(folder / "pretrain" / "metrics.jsonl", folder / "pretrain.png", levels, "Pretraining")
    loss_curve(folder / "tune" / "metrics.jsonl", folder / "tune.png", title="Fine-tuning (answers alone)")
    say(
        f"   held-out text      loss {score['loss']:.3f}, perplexity {score['perplexity']:.1f}, "
        f"{score['bits_per_byte']:.3f} bits per byte"
    )
    for name, one in floors.items():
        loss = f"loss {one['loss']:.3f}, " if "loss" in one else ""
        say(f"   {name:<18} {loss}{one['bits_per_byte']:.3f} bits per byte")
    for name, when in (("before", "pretrained only"), ("after", "fine-tuned")):
        one = report[name]
        say(
            f"   {when:<18} exact match {one['exact_match']:.1%}, ROUGE-L {one['rouge_l']:.3f} "
            f"on {one['rows']} questions in wordings never trained on"
        )
    say("   (recall of trained facts under new wording; nothing here is generalisation)")
    say()
    for one in report["examples"]:
        say(f"   > {one['question']}\n   {one['answer']}{'' if one['right'] else '     (wrong)'}")
    say(f"\n   the curves are in {folder}/pretrain.png and {folder}/tune.png, the numbers in {folder}/report.json\n")
    for command, what in (
        (f"trivium chat {folder}/model", "ask it something"),
        (f"trivium serve {folder}/model", "ask it in a browser"),
        ("trivium prepare my_folder -o data/mine", "your own text"),
        ("trivium recipes -o .", "the recipes to start from"),
        ("trivium train recipes/llama-tiny.toml data.path=data/mine", "your own model"),
    ):
        say(f"   {command:<60} {what}")
