"""Pictures that need no download: digits beside logistic regression, and questions beside a model without eyes.

    python bench/pictures.py [--sklearn PYTHON] [--minutes 3] [--only digits]

Digits: scikit-learn's 1,797 pictures of 8 x 8 pixels, a quarter of them held out. A Python with scikit-learn writes
them and the answers of its logistic regression; ours is an encoder of 2 x 2 patches that `classify` trains. Questions:
the small world of tours/5_reading_pictures.py; the same recipe is trained with the pictures and with empty ones, and
asked about new pictures, and about things that training never drew. Each training of ours takes `--minutes`. The script
prints its results and writes bench/results/pictures.json.
"""

import argparse
import json
import runpy
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

import trivium
from infer import machine
from trivium.base.config import parse
from trivium.base.files import read_json, write_json
from trivium.task.run import run
from trivium.train.recipe import Recipe

ROOT = Path(__file__).resolve().parent.parent
ROWS, TESTED = 20_000, 2000
"""The pictures of the small world that are trained on, and those of each test."""
SKLEARN = """
import json, sys
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
digits = load_digits()
parts = train_test_split(digits.images, digits.target, test_size=0.25, random_state=0, stratify=digits.target)
train, test, right, wanted = parts
model = LogisticRegression(max_iter=5000).fit(train.reshape(len(train), -1) / 16, right)
np.savez(sys.argv[1], train=train, test=test, right=right, wanted=wanted)
print(json.dumps(model.predict(test.reshape(len(test), -1) / 16).tolist()))
"""
DIGITS = {
    "objective": "label",
    "image": {"height": 8, "width": 8, "patch": 2, "channels": 1},
    "model": {
        "vocab_size": 0,
        "head": "none",
        "hidden_size": 64,
        "context": 64,
        "init": "scaled",
        "encoder": {
            "layers": 3,
            "heads": 4,
            "dropout": 0.1,
            "embed": {"kind": "patches", "patch": 2, "channels": 1, "size": [4, 4], "class_token": True},
        },
    },
    "optim": {"lr": 2e-3, "weight_decay": 0.1},
    "schedule": {"kind": "wsd", "warmup_steps": 50, "decay": 0.5},
    "batch_tokens": 1088,
    "save_every_steps": 10_000,
}


def written(folder: Path, name: str, images: np.ndarray, labels: np.ndarray) -> Path:
    """Write pictures of 16 levels and their labels as rows; return the file."""
    from PIL import Image

    (folder / name).mkdir(parents=True)
    lines = []
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        Image.fromarray((image * 255 / 16).round().astype(np.uint8)).save(folder / name / f"{number}.png")
        lines.append(json.dumps({"image": f"{name}/{number}.png", "label": str(label)}) + "\n")
    file = folder / f"{name}.jsonl"
    file.write_text("".join(lines))
    return file


def digits(here: Path, python: str, minutes: float) -> dict[str, Any]:
    """Return the share of held-out digits that each side names."""
    here.mkdir()
    done = subprocess.run([python, "-c", SKLEARN, here / "digits.npz"], capture_output=True, text=True, check=True)
    parts = np.load(here / "digits.npz")
    wanted = parts["wanted"]
    train = written(here, "train", parts["train"], parts["right"])
    test = written(here, "test", parts["test"], wanted)
    data = {"path": [str(train)], "augment": {"shift": 0.08, "rotate": 8.0, "scale": 0.08}}
    model = trivium.load(run(parse(Recipe, {**DIGITS, "data": data, "budget_minutes": minutes}), here / "digits"))
    scores = model.classify([test.parent / json.loads(line)["image"] for line in test.read_text().splitlines()])
    said = [int(max(one, key=one.__getitem__)) for one in scores]
    return {
        "held_out": len(wanted),
        "trivium": float(np.mean(np.array(said) == wanted)),
        "logistic_regression": float(np.mean(np.array(json.loads(done.stdout)) == wanted)),
    }


def questions(here: Path, minutes: float) -> dict[str, Any]:
    """Return the share of right answers of each model on each test."""
    world = runpy.run_path(str(ROOT / "tours" / "5_reading_pictures.py"))
    tests = {
        "new pictures": world["rows"](here, "new", TESTED, seed=2),
        "things never drawn": world["rows"](here, "never", TESTED, seed=3, unseen=True),
    }
    found: dict[str, Any] = {"tested": TESTED}
    for name, blind in (("picture", False), ("question alone", True)):
        file = world["rows"](here, f"train-{blind}", ROWS, seed=1, blind=blind)
        recipe = world["recipe"](file, 1).replace(budget_steps=None, budget_minutes=minutes)
        recipe = recipe.replace(schedule=recipe.schedule.replace(warmup_steps=50), log_every_steps=100)
        model = trivium.load(run(recipe, here / f"run-{blind}"))
        found[name] = {what: world["right"](model, file) for what, file in tests.items()}
    return found


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sklearn", help="a Python with scikit-learn; without one no digits")
    parser.add_argument("--minutes", type=float, default=3.0, help="the time of each training")
    parser.add_argument("--only", choices=("digits", "questions"))
    options = parser.parse_args()
    file = ROOT / "bench" / "results" / "pictures.json"
    results = read_json(file) if file.is_file() else {}
    words = ["PYTHON" if word == options.sklearn else word for word in sys.argv[1:]]  # where it is says nothing
    facts = {"date": str(date.today()), "command": " ".join(["python bench/pictures.py", *words])}
    with tempfile.TemporaryDirectory() as folder:
        if options.sklearn and options.only != "questions":
            results["digits"] = digits(Path(folder) / "digits-rows", options.sklearn, options.minutes) | facts
        if options.only != "digits":
            results["questions"] = questions(Path(folder), options.minutes) | facts
    results["machine"] = machine()
    print(json.dumps(results, indent=2))
    write_json(file, results)


if __name__ == "__main__":
    main()
