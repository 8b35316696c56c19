"""Verdict: what the runs of a grid show. Means, spreads, a sentence for each difference, curves with bands, one page.

The rule: two values differ where Student's two-sided t-test with pooled variance, over their seeds, gives a chance of
less than 5 %; the difference is of mean held-out losses. Runs of one seed read the same data, but their losses do not
rise and fall together (LOG.md, 2026-12-01), so pairs of a seed would only cost degrees of freedom. One seed decides
nothing, and a run that diverged or stopped has no loss. Where a value was tuned, the runs are those at the best value
of each cell.
"""

import math
import statistics
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from trivium.base.files import write_json
from trivium.base.log import columns, say
from trivium.lab import page
from trivium.lab.picture import blank, finish, read, save, smoothed
from trivium.study import tune
from trivium.study.grid import Comparison
from trivium.study.tune import Tuned

QUANTILES = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
"""Of Student's t, two-sided 5 %, for 1 to 10 degrees of freedom."""
HEADER = ["cell", "held-out loss", "seeds", "tokens/s", "peak MB", "parameters", "steps"]
RULE = (
    "Better and worse: the mean held-out losses differ, and a t-test over the seeds (pooled variance, two-sided) gives "
    "less than 5 % to chance. No difference: it gives more, and a difference that is smaller than the least one that "
    "would count may still exist. Each verdict stands alone: of twenty pairs of equal variants, one is expected to be "
    "called better or worse."
)

Run = Mapping[str, Any]


def quantile(freedom: int) -> float:
    """Return the standard errors that a difference must have; within 1 % beyond ten degrees of freedom."""
    return QUANTILES[freedom - 1] if freedom <= len(QUANTILES) else 1.96 + 2.5 / freedom


class Judgement(NamedTuple):
    """What the losses of one value say against those of another."""

    word: str
    """`better`, `worse`, `no difference` or `undecided`."""
    gap: float
    """The difference of the means."""
    least: float
    """The least difference that would count, with this spread and so many seeds."""


def judge(first: Sequence[float], second: Sequence[float]) -> Judgement:
    """Return what the second losses say against the first ones."""
    gap = statistics.mean(second) - statistics.mean(first)
    freedom = len(first) + len(second) - 2
    if min(len(first), len(second)) < 2:
        return Judgement("undecided", gap, math.inf)
    pooled = sum((value - statistics.mean(group)) ** 2 for group in (first, second) for value in group) / freedom
    least = quantile(freedom) * math.sqrt(pooled * (1 / len(first) + 1 / len(second)))
    word = "no difference" if abs(gap) <= least or gap == 0 else "better" if gap < 0 else "worse"
    return Judgement(word, gap, least)


def spread(values: Sequence[float], form: str = "{:.4f}") -> str:
    """Return mean and standard deviation as text."""
    mean = form.format(statistics.mean(values))
    return mean if len(values) < 2 else f"{mean} ± {form.format(statistics.stdev(values))}"


def sentences(comparison: Comparison, results: Sequence[Run], budget: str, tuned: Tuned | None = None) -> list[str]:
    """Return one sentence for each value against the first."""
    runs = {name: _runs(results, name) for _, name in comparison.cells}
    (label, first), *others = comparison.cells
    beside = f" ({comparison.beside})" if comparison.beside else ""
    out = []
    for other, name in others:
        begin, pair = f"{comparison.axis}{beside}: {other} against {label}", ((other, name), (label, first))
        mine, base = _losses(runs[name]), _losses(runs[first])
        lost = [
            f"{text}: {count} of {len(runs[one])} runs did not finish"
            for text, one in pair
            if (count := len(runs[one]) - len(_losses(runs[one])))
        ]
        lost += [f"{text}: {why}" for text, one in pair if tuned and (why := tuned.lost(one))]
        if lost or not (mine and base):
            out.append(f"{begin}: {'; '.join(lost) or 'not run yet'}, at {budget}.")
            continue
        word, gap, least = judge(base, mine)
        said = {
            "better": f"better by {-gap:.4f} nats",
            "worse": f"worse by {gap:.4f} nats",
            "no difference": f"no difference at this budget ({gap:+.4f} nats; {least:.4f} would count)",
            "undecided": f"{gap:+.4f} nats, which one seed cannot tell from chance",
        }[word]
        speed = _median(runs[name], "tokens_per_second") / _median(runs[first], "tokens_per_second")
        noun = "seed" if len(mine) == len(base) == 1 else "seeds"
        counts = "/".join(dict.fromkeys(str(len(some)) for some in (mine, base)))
        own = f", {tuned.against(name, first)}" if tuned else ""
        out.append(
            f"{begin}: {said} ({spread(mine)} against {spread(base)}, {counts} {noun}{own}), "
            f"{speed:.2f} x the tokens a second; budget: {budget}."
        )
    return out


def table(comparison: Comparison, results: Sequence[Run], notes: Mapping[str, str]) -> list[list[str]]:
    """Return a row for each value, with the columns of `HEADER`."""
    rows = []
    for label, name in comparison.cells:
        if not (runs := _runs(results, name)):
            continue
        losses = _losses(runs)
        note = f" ({notes[name]})" if notes.get(name) else ""
        loss = spread(losses) if len(losses) == len(runs) else f"{len(runs) - len(losses)} not finished"
        known = {key: all(run[key] is not None for run in runs) for key in ("tokens_per_second", "peak_mb")}
        medians = (f"{_median(runs, key):,.0f}" if there else "?" for key, there in known.items())
        sizes = (f"{runs[0][key]:,}" for key in ("parameters", "steps"))
        rows.append([label + note, loss, str(len(runs)), *medians, *sizes])
    return rows


def report(
    folder: Path,
    budget: str,
    comparisons: Sequence[Comparison],
    results: Sequence[Run],
    notes: Mapping[str, str],
    tuned: Tuned | None = None,
) -> dict[str, Any]:
    """Print the tables and sentences, and write them with the curves as `ablate.html`, `.png` and `.json`."""
    parts, entries = [page.paragraph(f"Every run had {budget}. Loss is nats per target on held-out text.")], []
    if tuned:
        parts.append(page.paragraph(tune.RULE.format(tuned.sweep.key)))
    for comparison in comparisons:
        rows, lines = table(comparison, results, notes), sentences(comparison, results, budget, tuned)
        title = comparison.axis + (f", {comparison.beside}" if comparison.beside else "")
        tables = [[[comparison.axis, *HEADER[1:]], *rows]]
        if tuned:
            tables.insert(0, tuned.table(comparison.cells))
            lines += tuned.notes(comparison.cells)
        say(f"\n{title}")
        for line in (*(line for one in tables for line in columns(one)), *lines):
            say(line)
        parts += [page.heading(title), *map(page.paragraph, lines), *(page.table(one[0], one[1:]) for one in tables)]
        entries.append({**comparison._asdict(), "rows": rows, "sentences": lines})
    draw(folder, comparisons, results, folder / "ablate.png", tuned)
    parts.append(page.picture(folder / "ablate.png", "loss of every value, mean and range over seeds"))
    threads = "/".join(str(count) for count in sorted({result["threads"] for result in results}))
    measured = f"medians over seeds, threads per run: {threads}, of machines that may have had other work"
    parts.append(
        page.paragraph(f"{RULE} Speed and memory are {measured}; peak memory is what a process used beyond its start.")
    )
    page.write(folder / "ablate.html", "Ablation", parts)
    found: dict[str, Any] = {"budget": budget, "rule": RULE, "comparisons": entries, "results": results}
    if tuned:
        found["tune"] = tuned.record()
    write_json(folder / "ablate.json", found)
    say(f"\nthe page is {folder / 'ablate.html'}")
    return found


def draw(
    folder: Path, comparisons: Sequence[Comparison], results: Sequence[Run], out: Path, tuned: Tuned | None = None
) -> None:
    """Draw each comparison: loss against tokens, mean and range over seeds, and the last held-out losses as dots.

    Where a value was tuned, the loss at each value is drawn too.
    """
    widths = (3, 2, 2) if tuned else (3, 2)
    figure = blank(5 * len(widths), 3.4 * len(comparisons), dpi=130)
    grid = figure.subplots(len(comparisons), len(widths), squeeze=False, width_ratios=widths)
    for (curves, dots, *more), comparison in zip(grid, comparisons, strict=True):
        bounds = []
        for number, (label, name) in enumerate(comparison.cells):
            if runs := _runs(results, name):
                color = f"C{number % 10}"
                bounds.append(_curve(curves, folder, runs, color, label))
                losses = _losses(runs)
                dots.plot([number] * len(losses), losses, linestyle="", marker="o", color=color, alpha=0.6)
                if losses:
                    dots.plot([number - 0.2, number + 0.2], [statistics.mean(losses)] * 2, color=color, linewidth=2)
        low, high = min((low for low, _ in bounds), default=math.inf), max((high for _, high in bounds), default=0.0)
        if math.isfinite(low) and math.isfinite(high):
            margin = 0.05 * (high - low) or 0.1
            curves.set_ylim(low - margin, high + margin)
        curves.set(xlabel="million tokens", ylabel="loss (nats per token)")
        curves.set_title(comparison.axis + (f" ({comparison.beside})" if comparison.beside else ""), loc="left")
        curves.legend(frameon=False, fontsize="small")
        labels = [textwrap.fill(label, 16) for label, _ in comparison.cells]
        turned = {"rotation": 20, "ha": "right", "rotation_mode": "anchor"} if max(map(len, labels)) > 8 else {}
        dots.set_xticks(range(len(labels)), labels, **turned)
        dots.set(xlim=(-0.6, len(labels) - 0.4), ylabel="held-out loss at the end")
        finish(curves)
        finish(dots)
        if tuned:
            tuned.draw(more[0], comparison.cells)
    save(figure, out)


def _curve(axes: Any, folder: Path, runs: Sequence[Run], color: str, label: str) -> tuple[float, float]:
    """Draw the losses of one cell; return bounds that leave out the first part of training."""
    found, tokens = [read(folder / run["run"] / "metrics.jsonl") for run in runs], 1e-6 * runs[0]["tokens"]
    steps, lines = _common([(one.steps, smoothed(one)) for one in found])
    x = steps * tokens / runs[0]["steps"]
    axes.plot(x, lines.mean(0), color=color, linewidth=1.0, label=label)
    if len(lines) > 1:
        axes.fill_between(x, lines.min(0), lines.max(0), color=color, alpha=0.2, linewidth=0)
    valid, held = _common([(one.valid_steps, np.array(one.valid_losses)) for one in found])
    x = valid * tokens / runs[0]["steps"]
    axes.plot(x, held.mean(0), color=color, linestyle="", marker="o", markersize=4, mfc="white")
    late = lines[:, len(steps) // 4 :]
    low = min(float(late.min(initial=np.inf)), float(held.min(initial=np.inf)))
    return low, float(lines[:, len(steps) // 8 :].max(initial=-np.inf))


def _common(curves: Sequence[tuple[Sequence[int], np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Return the steps that every run has, and their losses [runs, steps]."""
    steps = sorted(set.intersection(*(set(steps) for steps, _ in curves)))
    rows = [[loss for step, loss in zip(own, losses, strict=True) if step in set(steps)] for own, losses in curves]
    return np.array(steps), np.array(rows).reshape(len(curves), len(steps))


def _runs(results: Sequence[Run], cell: str) -> list[Run]:
    return [result for result in results if result["cell"] == cell]


def _losses(runs: Sequence[Run]) -> list[float]:
    return [run["loss"] for run in runs if run["loss"] is not None]


def _median(runs: Sequence[Run], key: str) -> float:
    return float(statistics.median(run[key] for run in runs))
