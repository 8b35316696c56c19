"""The small recipe of each preset, trained for real: one picture of their curves, and a table.

    trivium prepare embedded -o data/embedded --valid-share 0.002
    python bench/recipes.py data/embedded budget_tokens=300_000 [--only gpt2 bart] [--out runs/recipes]

Each run is a run folder with a result.json, so the same command goes on where it was stopped, and a run that is done is
only drawn again. The picture is docs/recipes.png, the numbers are bench/results/recipes.json, the table is printed.
Levels in a panel are n-grams of the same text: a unigram knows frequencies alone, a trigram is a text without source
where a decoder reads one. The spans of T5 are other targets, and have no such level. Minutes are processor time.
"""

import argparse
import json
import os
from datetime import date
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported

from trivium.base.files import read_json, write_json
from trivium.base.log import say
from trivium.lab.picture import blank, draw_losses, read, save
from trivium.study.demo import ngram_floors
from trivium.study.trial import measured
from trivium.train.recipe import Recipe, read_recipe

ROOT = Path(__file__).parents[1]
KEPT = ROOT / "bench" / "results" / "recipes.json"
PRESETS = ("gpt2", "llama", "llama3", "mistral", "qwen3", "gemma2", "bert", "roberta", "modernbert")
PRESETS += ("t5", "t5-v1.1", "bart", "mbart")
LEVELS = {"causal": ("unigram", "trigram"), "infill": ("unigram", "trigram"), "masked": ("unigram",), "denoise": ()}
"""The n-grams that answer the same question as an objective."""
COLUMNS = 5
EVALS = 4
"""The evaluations of a run, beside that of its start."""


def trained(name: str, recipe: Recipe, folder: Path) -> dict[str, Any]:
    """Return what was measured of a recipe's run, which is done or goes on where it was stopped."""
    if not (folder / "result.json").is_file():
        write_json(folder / "result.json", measured(recipe, folder))
    return {"objective": recipe.objective.kind, "date": str(date.today()), **read_json(folder / "result.json")}


def draw(found: dict[str, Any], floors: dict[str, Any], out: Path) -> None:
    """Draw a panel for each preset that has a run."""
    rows = -(-len(found) // COLUMNS)
    figure = blank(4.2 * COLUMNS, 3.3 * rows, dpi=80)
    panels = [*figure.subplots(rows, COLUMNS, squeeze=False).flat]
    for axes, (name, one) in zip(panels, found.items(), strict=False):
        levels = {level: floors[level]["loss"] for level in LEVELS[one["objective"]]}
        draw_losses(axes, [(name, read(out / name / "metrics.jsonl"))], levels, f"{name} ({one['objective']})")
    for axes in panels[len(found) :]:
        axes.set_visible(False)
    save(figure, ROOT / "docs" / "recipes.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("overrides", nargs="*")
    parser.add_argument("--only", nargs="+", choices=PRESETS, default=PRESETS)
    parser.add_argument("--out", type=Path, default=Path("runs/recipes"))
    given = parser.parse_intermixed_args()
    found: dict[str, Any] = {}
    for name in PRESETS:
        recipe = read_recipe(ROOT / "recipes" / f"{name}-tiny.toml", [f"data.path={given.data}", *given.overrides])
        if recipe.budget_tokens:
            steps = recipe.budget_tokens // recipe.batch_tokens
            recipe = recipe.replace(budget_tokens=None, budget_steps=steps, eval_every_steps=max(1, steps // EVALS))
        if name in given.only or (given.out / name / "result.json").is_file():
            found[name] = trained(name, recipe, given.out / name)
    floors = ngram_floors(given.data)
    draw(found, floors, given.out)
    write_json(KEPT, {"floors": floors, "overrides": given.overrides, "recipes": found})
    say(json.dumps(floors))
    say("| preset | parameters | objective | steps | tokens | minutes | held-out loss |")
    say("|---|--:|---|--:|--:|--:|--:|")
    for name, one in found.items():
        minutes, loss = one["cpu_seconds"] / 60, "diverged" if one["loss"] is None else f"{one['loss']:.3f}"
        say(
            f"| {name} | {one['parameters']:,} | {one['objective']} | {one['steps']:,} "
            f"| {one['tokens']:,} | {minutes:.1f} | {loss} |"
        )


if __name__ == "__main__":
    main()
