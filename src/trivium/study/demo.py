"""Demo: the whole way in one command. Text, tokenizer, pretraining, fine-tuning, evaluation, a model that answers.

Each stage leaves its result in the folder and is skipped if it is there, so an interrupted demo goes on where it was.
The text is the embedded corpus; nothing is downloaded.
"""

import json
import shutil
import time
from collections.abc import Callable, Iterator
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
from trivium.objective.causal import CausalLM
from trivium.study import facts, floor
from trivium.study.trial import faster_precision
from trivium.task.answer import answer_file, summary
from trivium.task.evaluate import score_folder
from trivium.task.run import run
from trivium.token.tokenizer import Tokenizer
from trivium.train.recipe import Recipe

LENGTH = 256
VOCAB_SIZE = 8192
VALID_SHARE = 0.015
SHAPE = {"hidden_size": 256, "decoder": {"layers": 4, "heads": 4}}
"""The depth and width that learn fastest in minutes on two cores."""
SHARED: dict[str, Any] = {
    "batch_tokens": 2048,
    "micro_rows": 8,
    "optim": {"lr": 3e-3},
    "log_every_steps": 5,
    "eval_every_steps": 300,
    "save_every_steps": 150,
}
"""What the recipes of pretraining and of fine-tuning share."""
TUNE_SHARE = 0.35
"""The share of the training time for fine-tuning."""
SCORES_SECONDS = 60.0
"""The approximate time of all scores, until those of the pretrained model were timed."""
LEAST_SHARE = 0.25
"""The share of the minutes that pretraining, and that fine-tuning, has at least, however long the rest takes."""


def demo(folder: Path, minutes: float, since: float | None = None) -> dict[str, Any]:
    """Run every stage that is not done yet, in so many minutes since a time of the clock; print and return the report.

    Raises ConfigError if the folder holds a demo of other minutes.
    """
    plan = Timetable(folder / "plan.json", minutes, since)
    with stage("1  text: the documentation inside the installed Python packages"):
        corpus = collect(folder / "corpus.jsonl")
    with stage("2  data: clean, drop duplicates, train a tokenizer, encode"):
        options = Preparation(vocab_size=VOCAB_SIZE, valid_share=VALID_SHARE, shards=1)
        manifest = prepare([corpus], folder / "data", options, keep_work=False)
        for line in lines(manifest):
            say(f"   {line}")
    questions = facts.write(folder / "questions", facts.collect(), seed=0)
    precision = plan.once("precision", lambda: faster_precision(pretraining(folder, "auto", minutes)))
    first = plan.once("pretrain_minutes", lambda: plan.share(1 - TUNE_SHARE, SCORES_SECONDS))
    with stage(f"3  pretraining: next-token prediction, for {duration(60 * first)}"):
        base = trained(pretraining(folder, precision, first), folder / "pretrain")
    if not (folder / "base.json").is_file():
        with stage("4  the pretrained model: beside floors, and its answers before fine-tuning"):
            write_json(folder / "base.json", scored(folder, base, manifest))
    report = read_json(folder / "base.json")
    then = plan.once("tune_minutes", lambda: plan.share(1.0, report["answer_seconds"]))
    with stage(f"5  fine-tuning: {len(questions.train):,} rows of questions, for {duration(60 * then)}"):
        tuned = trained(tuning(folder, precision, then), folder / "tune")
    if not (folder / "model").exists():
        try:
            (folder / "model").symlink_to("tune/model")
        except OSError:  # Windows lets few people link
            shutil.copytree(folder / "tune" / "model", folder / "model")
    if not (folder / "report.json").is_file():
        with stage("6  the tuned model: its answers"):
            report |= answered(folder, tuned)
        write_json(folder / "report.json", {**report, "seconds": round(plan.elapsed, 1)})
    report = read_json(folder / "report.json")
    tell(folder, report)
    return dict(report)


class Timetable:
    """The time of a demo: what is decided stands in a file, so that a second run goes on with the same."""

    def __init__(self, path: Path, minutes: float, since: float | None) -> None:
        self.path, self.since = path, time.monotonic() if since is None else since
        self.kept = read_json(path) if path.is_file() else {"minutes": minutes}
        if self.kept["minutes"] != minutes:
            found = f"holds a demo of {self.kept['minutes']} minutes"
            raise ConfigError(f"{path.parent}: {found}; name another folder with --out")
        self.before = self.kept.get("seconds", 0.0)

    @property
    def elapsed(self) -> float:
        """Seconds of the demo so far; of an earlier session, those until its last decision."""
        return float(self.before) + time.monotonic() - self.since

    def once(self, name: str, decide: Callable[[], Any]) -> Any:
        """Return what was decided, or decide and keep it."""
        if name not in self.kept:
            self.kept |= {name: decide(), "seconds": round(self.elapsed, 1)}
            write_json(self.path, self.kept)
        return self.kept[name]

    def share(self, share: float, later: float) -> float:
        """Return the minutes of a share of the time that is left, but for `later` seconds of other work."""
        left = 60 * self.kept["minutes"] - self.elapsed - later
        return float(max(LEAST_SHARE * self.kept["minutes"], left * share / 60))


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


def pretraining(folder: Path, precision: str, minutes: float) -> Recipe:
    """Return the recipe of pretraining."""
    tree = {
        **SHARED,
        "data": {"path": str(folder / "data"), "length": LENGTH},
        "model": {
            "preset": "llama",
            "vocab_size": Corpus(folder / "data", "train").manifest["vocab_size"],
            "context": 512,
            "tie": True,
            "init": "scaled",
            **SHAPE,
        },
        "schedule": {"kind": "wsd", "warmup_steps": 20},
        "precision": precision,
        "budget_minutes": minutes,
    }
    return parse(Recipe, tree, "pretrain")


def tuning(folder: Path, precision: str, minutes: float) -> Recipe:
    """Return the recipe of fine-tuning."""
    rows = folder / "questions"
    tree = {
        **SHARED,
        "init": str(folder / "pretrain" / "model"),
        "objective": "instruct",
        "data": {"path": str(rows / "train.jsonl"), "valid": str(rows / "heldout.jsonl"), "length": LENGTH},
        "optim": {**SHARED["optim"], "weight_decay": 0.0},
        "schedule": {"kind": "wsd", "warmup_steps": 10, "decay": 0.6},
        "precision": precision,
        "budget_minutes": minutes,
    }
    return parse(Recipe, tree, "tune")


def trained(recipe: Recipe, folder: Path) -> Path:
    """Return the model folder of a run, which is trained or resumed if it is not there."""
    model = folder / "model"
    return model if model.is_dir() else run(recipe, folder, resume=(folder / "recipe.json").exists())


def scored(folder: Path, base: Path, manifest: dict[str, Any]) -> dict[str, Any]:
    """Return the scores of the pretrained model beside floors, and of its answers, with the seconds that they took."""
    score, floors = score_folder(base, folder / "data", LENGTH), measured_floors(folder / "data")
    began = time.monotonic()
    before = summary(answer_file(api.load(base), folder / "questions" / "heldout.jsonl"))
    took = round(time.monotonic() - began, 1)
    identity = manifest["dataset_id"]
    return {
        "pretrained": score.record(),
        "floors": floors,
        "before": before,
        "dataset": identity,
        "answer_seconds": took,
    }


def answered(folder: Path, tuned: Path) -> dict[str, Any]:
    """Return the scores of the answers of the tuned model, and some of them."""
    after = answer_file(api.load(tuned), folder / "questions" / "heldout.jsonl")
    shown = after[:: len(after) // 5][:5]  # evenly spread, right or wrong
    return {
        "after": summary(after),
        "examples": [{"question": one.question, "answer": one.answer, "right": one.exact} for one in shown],
        "right": sum(one.exact for one in after),
    }


def measured_floors(data: Path) -> dict[str, dict[str, float]]:
    """Return the scores of n-gram models and of a compressor on the held-out text of a data folder."""
    tokenizer, texts = Tokenizer.load(data / "tokenizer"), {}
    for split in ("train", "valid"):
        texts[split] = "\n\n".join(tokenizer.decode(ids.tolist()) for ids in Corpus(data, split).documents()).encode()
    return ngram_floors(data) | {"xz": {"bits_per_byte": floor.xz(texts["train"], texts["valid"])}}


def ngram_floors(data: Path) -> dict[str, dict[str, float]]:
    """Return the scores of a unigram and a trigram model on the held-out text of a data folder."""
    vocabulary, documents = Tokenizer.load(data / "tokenizer").vocabulary, {}
    for split in ("train", "valid"):
        rows = DocumentRows(corpus := Corpus(data, split), CausalLM(), vocabulary, LENGTH)
        documents[split] = [rows.framed(document, 0, 1 << 40) for document in range(len(corpus))]
    found: dict[str, dict[str, float]] = {}
    for name, order in (("unigram", 1), ("trigram", 3)):
        score = floor.ngram(documents["train"], documents["valid"], vocabulary.size, order, vocabulary.special)
        found[name] = {"loss": score.mean, "bits_per_byte": floor.bits_per_byte(score.content, corpus.bytes)}
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
