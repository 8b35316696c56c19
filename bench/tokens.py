"""Tokens to a fixed loss: optimizers at equal shape, each with its own tuned rate, finished runs only.

    trivium prepare SOURCE -o data/ablate --vocab-size 2048 --valid-share 0.006
    python bench/tokens.py data/ablate [--out runs/tokens] [--small] [override ...]

The recipe is recipes/ablate.toml with the overrides. First each optimizer runs once with every rate of its grid, on the
whole budget; the rate with the lowest held-out loss counts. Then it runs with that rate on shares of the budget, each
time to the end of the schedule, with five seeds. The tokens to a loss are those at which the curve of mean held-out
losses over the logarithm of tokens gets there; the loss is that of the first optimizer on the whole budget.

Every run is a run folder with a result.json, so the same command goes on where it was stopped. A rate at the edge of a
grid is told: the grid is then too narrow. `--small` is its smallest form, some minutes on one core; of the other the
numbers are kept in bench/results/tokens.json, and docs/tokens.png has the curves.
"""

import argparse
import math
import statistics
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from trivium.base.files import read_json, write_json
from trivium.base.log import columns, say
from trivium.lab.picture import blank, save
from trivium.study.trial import measured
from trivium.study.verdict import quantile
from trivium.train.recipe import Recipe, read_recipe

ROOT = Path(__file__).parents[1]
RECIPE, KEPT = ROOT / "recipes" / "ablate.toml", ROOT / "bench" / "results" / "tokens.json"
OPTIMIZERS = {"adamw": ["optim=adamw"], "muon": ["optim=muon"]}
"""The overrides of each; the first is the reference."""
RATES = [1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2, 3.2e-2]
SHARES = [0.4, 0.55, 0.72, 1.0]
SEEDS = 5
SMALL = ["model.hidden_size=64", "model.decoder.layers=2", "batch_tokens=1024", "budget_steps=100", "data.length=128"]
SMALL_RATES, SMALL_SHARES, SMALL_SEEDS = [4e-3, 8e-3, 1.6e-2, 3.2e-2], [0.6, 1.0], 3


def loss(recipe: Recipe, folder: Path) -> float:
    """Return the held-out loss of a run, which is done or goes on where it was stopped; infinite if it diverged."""
    if not (folder / "result.json").is_file():
        write_json(folder / "result.json", measured(recipe, folder))
    found = read_json(folder / "result.json")["loss"]
    return math.inf if found is None else float(found)


def made(overrides: Sequence[str], steps: int | None = None, **changes: Any) -> Recipe:
    """Return the recipe with overrides, for so many steps; it is evaluated at its end."""
    recipe = read_recipe(RECIPE, overrides)
    steps = steps or recipe.budget_steps or 1
    often = {"eval_every_steps": steps, "save_every_steps": max(1, steps // 4)}
    return recipe.replace(budget_steps=steps, budget_tokens=None, **often, **changes)


def tuned(overrides: Sequence[str], rates: Sequence[float], folder: Path) -> tuple[float, dict[str, float]]:
    """Return the best rate of one optimizer, and the loss with each."""
    found = {rate: loss(made([*overrides, f"optim.lr={rate}"]), folder / f"{rate:g}") for rate in rates}
    best = min(found, key=found.__getitem__)
    if best in (min(rates), max(rates)):
        say(f"{folder.parent.name}: the best rate, {best:g}, is at the edge of the grid: widen it")
    return best, {f"{rate:g}": value for rate, value in found.items()}


def tokens_to(goal: float, tokens: Sequence[float], losses: Sequence[float]) -> float:
    """Return the tokens at which a falling curve reaches a loss, by lines over log tokens; infinite if it does not."""
    if min(losses) > goal:
        return math.inf
    order = np.argsort(losses)
    return float(np.exp(np.interp(goal, np.array(losses)[order], np.log(np.array(tokens)[order]))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("overrides", nargs="*")
    parser.add_argument("--out", type=Path, default=Path("runs/tokens"))
    parser.add_argument("--small", action="store_true")
    given = parser.parse_intermixed_args()
    shared = [f"data.path={given.data}", *(SMALL if given.small else []), *given.overrides]
    rates, shares, seeds = (SMALL_RATES, SMALL_SHARES, SMALL_SEEDS) if given.small else (RATES, SHARES, SEEDS)
    report: dict[str, Any] = {"date": str(date.today()), "overrides": shared[1:], "optimizers": {}}
    for name, own in OPTIMIZERS.items():
        rate, by_rate = tuned([*shared, *own], rates, given.out / name / "rates")
        chosen = [*shared, *own, f"optim.lr={rate}"]
        whole = made(chosen)
        points = []
        for share in shares:
            steps = round(share * (whole.budget_steps or 1))
            folder = given.out / name / f"{steps}-steps"
            found = [loss(made(chosen, steps, seed=seed), folder / str(seed)) for seed in range(seeds)]
            points.append({"steps": steps, "tokens": steps * whole.batch_tokens, "losses": found})
        report["optimizers"][name] = {"rate": rate, "rates": by_rate, "points": points}
    tell(report)
    write_json(given.out / "tokens.json", report)
    if not given.small:
        write_json(KEPT, report)
        draw(report)


def draw(report: dict[str, Any]) -> None:
    """Draw the mean loss of each optimizer and its 95 % over the tokens, and where it has the loss of the first."""
    figure = blank(7, 4, dpi=110)
    axes = figure.subplots()
    for name, one in report["optimizers"].items():
        tokens, means, halves = zip(
            *((point["tokens"], *mean_of(point["losses"])) for point in one["points"]), strict=True
        )
        line = axes.errorbar(tokens, means, halves, marker="o", capsize=3, label=f"{name}, rate {one['rate']:g}")
        at = one["share_of_tokens"] * report["tokens"]
        axes.axvline(at, color=line.lines[0].get_color(), linestyle=":", linewidth=1)
    axes.axhline(report["goal"], color="0.6", linestyle="--", linewidth=1)
    axes.set(xscale="log", xlabel="tokens of a finished run", ylabel="held-out loss, nats a token")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value / 1e3:,.0f} k")
    axes.xaxis.set_minor_formatter(lambda value, _: f"{value / 1e3:,.0f} k")
    axes.legend(frameon=False)
    save(figure, ROOT / "docs" / "tokens.png")


def mean_of(losses: Sequence[float]) -> tuple[float, float]:
    """Return the mean of some losses, and half of its 95 % interval."""
    if len(losses) < 2:
        return losses[0], math.nan
    return statistics.mean(losses), quantile(len(losses) - 1) * statistics.stdev(losses) / math.sqrt(len(losses))


def tell(report: dict[str, Any]) -> None:
    """Print the curves, and the tokens of each optimizer to the loss of the first; add them to the report."""
    rows = [("optimizer", "rate", "tokens", "mean loss", "95 % of the mean")]
    first = next(iter(report["optimizers"].values()))
    goal = statistics.mean(first["points"][-1]["losses"])
    whole = first["points"][-1]["tokens"]
    report |= {"goal": goal, "tokens": whole}
    for name, one in report["optimizers"].items():
        for point in one["points"]:
            mean, half = mean_of(point["losses"])
            rows.append((name, f"{one['rate']:g}", f"{point['tokens']:,}", f"{mean:.4f}", f"± {half:.4f}"))
        means = [statistics.mean(point["losses"]) for point in one["points"]]
        one["share_of_tokens"] = tokens_to(goal, [point["tokens"] for point in one["points"]], means) / whole
    for line in columns(rows):
        say(line)
    for name, one in report["optimizers"].items():
        say(f"{name}: {one['share_of_tokens']:.2f} x the tokens to a held-out loss of {goal:.4f}")


if __name__ == "__main__":
    main()
