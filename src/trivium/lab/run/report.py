"""The report of runs as a page: their results, losses, speed, gradient norms and learning rates side by side.

It shows which choices of the recipes differ, and the machine of each run. A run that is still going can be shown.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from trivium.base.errors import DataError
from trivium.base.files import read_json
from trivium.base.log import duration, figures, say
from trivium.lab import page
from trivium.lab.picture import Curve, blank, draw_losses, finish, png, read, smooth

Values = Callable[[Curve], Sequence[float]]
PANELS: Mapping[str, tuple[str, Values]] = {
    "Speed": ("tokens/s", lambda curve: curve.rates),
    "Gradient norm": ("norm before clipping", lambda curve: curve.norms),
    "Learning rate": ("learning rate", lambda curve: curve.lrs),
    "Memory": ("MiB of the first process", lambda curve: curve.memory),
}
"""What is drawn beside the losses: the title, the label of the axis, and the values at the steps of a curve."""
EXACT = ("Learning rate", "Memory")
"""What is drawn as it is, not smoothed."""
SHOWN = 6
"""The most evaluations whose samples are shown: the first, the last, and some between."""
LIMIT = 12
"""The most runs of a page: more lines cannot be told apart."""


class RunRecord(NamedTuple):
    """What a run folder holds."""

    name: str
    curve: Curve
    recipe: dict[str, Any]
    """The fields of the recipe by their paths."""
    environment: dict[str, Any]


def report(folders: Sequence[Path], out: Path) -> None:
    """Write the page of some run folders. A DataError names a folder that is none, or has no step yet."""
    if len(folders) > LIMIT:
        raise DataError(f"report: expected at most {LIMIT} runs, found {len(folders)}")
    runs = [_open(folder) for folder in folders]
    title = f"The run {runs[0].name}" if len(runs) == 1 else f"{len(runs)} runs"
    page.write(out, title, [*_results(runs), *_pictures(runs), *_samples(runs), *_choices(runs), *_machines(runs)])
    say(f"the page is {out}")


def _open(folder: Path) -> RunRecord:
    if not (folder / "recipe.json").is_file():
        raise DataError(f"{folder}: expected a run folder, found no recipe.json in it")
    curve = read(folder / "metrics.jsonl")
    if not curve.steps:
        raise DataError(f"{folder / 'metrics.jsonl'}: no step has a loss yet")
    environment = folder / "environment.json"
    known = read_json(environment) if environment.is_file() else {}
    return RunRecord(str(folder), curve, _flat(read_json(folder / "recipe.json")["recipe"]), known)


def _results(runs: Sequence[RunRecord]) -> Iterator[str]:
    yield page.heading("Results")
    header = ("run", "steps", "tokens", "time", "tokens/s", "memory", "loss", "held out", "best held out")
    rows = []
    for run in runs:
        curve, valid = run.curve, run.curve.valid_losses
        speed = figures(curve.tokens[-1] / curve.seconds) if curve.seconds else "not known"
        best = min(zip(valid, curve.valid_steps, strict=True), default=None)
        rows.append(
            (
                run.name,
                f"{curve.steps[-1]:,}",
                f"{curve.tokens[-1]:,}",
                duration(curve.seconds) if curve.seconds else "not known",
                speed,
                f"{np.nanmax(curve.memory):,.0f} MiB" if np.isfinite(curve.memory).any() else "not known",
                f"{smooth(curve.losses, max(1, len(curve.losses) // 50))[-1]:.4f}",
                f"{valid[-1]:.4f}" if valid else "none",
                f"{best[0]:.4f}, step {best[1]:,}" if best else "none",
            )
        )
    yield page.table(header, rows)
    yield page.paragraph(
        "Losses are nats per target; those of different objectives or tokenizers are not to be compared. The loss "
        "is that of training, a mean over the last steps. Time and speed count loading, evaluation and saving. "
        "Memory is the most that the first process held after a step."
    )


def _pictures(runs: Sequence[RunRecord]) -> Iterator[str]:
    yield page.heading("Curves")
    figure = blank(8, 4.6)
    draw_losses(figure.subplots(), [(run.name, run.curve) for run in runs])
    yield page.image(png(figure), "Losses: each step pale, their mean over 2 % of the run, held-out losses as points")
    for title, (label, values) in PANELS.items():
        lines = {run.name: (run.curve.steps, values(run.curve)) for run in runs}
        if any(np.isfinite(found).any() for _, found in lines.values()):
            yield page.image(_panel(title, label, lines, title in EXACT), title)


def _samples(runs: Sequence[RunRecord]) -> Iterator[str]:
    """Yield what the runs wrote after each prompt, evaluation by evaluation, side by side."""
    prompts = dict.fromkeys(prompt for run in runs if run.curve.samples for prompt in _prompts(run))
    if prompts:
        yield page.heading("Samples over time")
    for prompt in prompts:
        written = {
            run.name: {step: texts[_prompts(run).index(prompt)] for step, texts in run.curve.samples.items()}
            for run in runs
            if run.curve.samples and prompt in _prompts(run)
        }
        steps = sorted({step for texts in written.values() for step in texts})
        some = dict.fromkeys(steps[round(at)] for at in np.linspace(0, len(steps) - 1, SHOWN))
        rows = [(f"{step:,}", *(_text(texts.get(step)) for texts in written.values())) for step in some]
        yield page.paragraph(f"After {prompt!r}:")
        yield page.table(("step", *written), rows, "facts")


def _prompts(run: RunRecord) -> list[str]:
    return run.recipe.get("samples") or []


def _text(text: str | None) -> str:
    return "-" if text is None else text if text.strip() else "(blank)"


def _panel(title: str, label: str, lines: Mapping[str, tuple[Sequence[int], Sequence[float]]], exact: bool) -> bytes:
    """Return a picture of values against the step, smoothed unless they are `exact`."""
    figure = blank(8, 3)
    axes = figure.subplots()
    for name, (steps, values) in lines.items():
        shown = values if exact else smooth(values, max(1, len(values) // 50))
        axes.plot(steps[len(steps) - len(shown) :], shown, linewidth=1.4, label=name)
    axes.set(title=title, xlabel="optimizer step", ylabel=label)
    axes.set_xlim(left=0)
    axes.set_ylim(0, 1.05 * axes.get_ylim()[1])
    finish(axes)
    if len(lines) > 1:
        axes.legend(frameon=False, fontsize="small")
    return png(figure)


def _choices(runs: Sequence[RunRecord]) -> Iterator[str]:
    """Yield the fields in which the recipes differ, and all fields of each."""
    paths = dict.fromkeys(path for run in runs for path in run.recipe)
    rows = [(path, *(str(run.recipe.get(path, "-")) for run in runs)) for path in paths]
    names = [run.name for run in runs]
    if len(runs) > 1:
        yield page.heading("What differs")
        different = [row for row in rows if len({*row[1:]}) > 1]
        yield (
            page.table(("field", *names), different, "facts")
            if different
            else page.paragraph("Nothing in the recipes.")
        )
    yield page.heading("Recipe" if len(runs) == 1 else "Recipes")
    yield f"<details><summary>all {len(rows)} fields</summary>{page.table(('field', *names), rows, 'facts')}</details>"


def _machines(runs: Sequence[RunRecord]) -> Iterator[str]:
    yield page.heading("Machine")
    known = [_flat(run.environment) for run in runs]
    paths = dict.fromkeys(path for one in known for path in one)
    rows = [(path, *(str(one.get(path, "-")) for one in known)) for path in paths]
    rows.sort(key=lambda row: len({*row[1:]}) < 2)  # what differs comes first
    yield page.table(("", *(run.name for run in runs)), rows, "facts")


def _flat(tree: Any, path: str = "") -> dict[str, Any]:
    """Return the leaves of a tree by their dotted paths."""
    if not isinstance(tree, dict) or not tree:
        return {path: tree}
    return {
        name: leaf
        for key, value in tree.items()
        for name, leaf in _flat(value, f"{path}.{key}" if path else key).items()
    }
