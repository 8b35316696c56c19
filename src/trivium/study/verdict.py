"""What a grid of runs says: means and spreads, a plain sentence for each difference, curves with bands, one page.

The rule: two values differ where Student's two-sided t-test with pooled variance, over their seeds, gives a chance of
less than 5 %; the difference is of mean held-out losses. One seed decides nothing, and a run without finite loss has
diverged. Nothing here trains or knows what a recipe means.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trivium.base.files import write_json, writing
from trivium.base.log import say
from trivium.lab import page
from trivium.lab.picture import SPAN, png, read, smooth
from trivium.study.grid import Comparison

QUANTILES = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
"""Of Student's t, two-sided 5 %, for 1 to 10 degrees of freedom."""
HEADER = ["cell", "held-out loss", "seeds", "tokens/s", "peak MB", "parameters", "steps"]
RULE = (
    "Better and worse: the mean held-out losses differ, and a t-test over the seeds (pooled variance, two-sided) gives "
    "less than 5 % to chance. No difference: it gives more, so a difference smaller than the spread may still exist."
)


def quantile(freedom: int) -> float:
    """How many standard errors a difference must have, within 1 % beyond ten degrees of freedom."""
    return QUANTILES[freedom - 1] if freedom <= len(QUANTILES) else 1.96 + 2.5 / freedom


def judge(first: Sequence[float], second: Sequence[float]) -> tuple[str, float]:
    """Say whether losses are `better`, `worse`, `no difference` or `undecided` against the first; and by how much."""
    gap = statistics.mean(second) - statistics.mean(first)
    freedom = len(first) + len(second) - 2
    if min(len(first), len(second)) < 2:
        return "undecided", gap
    spread = sum((value - statistics.mean(group)) ** 2 for group in (first, second) for value in group) / freedom
    error = math.sqrt(spread * (1 / len(first) + 1 / len(second)))
    if abs(gap) <= quantile(freedom) * error or gap == 0:
        return "no difference", gap
    return ("better" if gap < 0 else "worse"), gap


def spread(values: Sequence[float], form: str = "{:.4f}") -> str:
    """Mean and standard deviation, as text."""
    mean = form.format(statistics.mean(values))
    return mean if len(values) < 2 else f"{mean} ± {form.format(statistics.stdev(values))}"


def sentences(comparison: Comparison, results: Sequence[Mapping[str, Any]], budget: str) -> list[str]:
    """One sentence for each value against the first."""
    runs = {name: [result for result in results if result["cell"] == name] for _, name in comparison.cells}
    losses = {name: [run["loss"] for run in some if run["loss"] is not None] for name, some in runs.items()}
    (label, first), *others = comparison.cells
    beside = f" ({comparison.beside})" if comparison.beside else ""
    out = []
    for other, name in others:
        begin = f"{comparison.axis}{beside}: {other} against {label}"
        lost = [
            f"{text}: {len(runs[one]) - len(losses[one])} of {len(runs[one])} runs diverged"
            for text, one in ((other, name), (label, first))
            if len(losses[one]) < len(runs[one])
        ]
        if lost or not (losses[name] and losses[first]):
            out.append(f"{begin}: {'; '.join(lost) or 'not run yet'}, at {budget}.")
            continue
        word, gap = judge(losses[first], losses[name])
        said = {
            "better": f"better by {-gap:.4f} nats",
            "worse": f"worse by {gap:.4f} nats",
            "no difference": f"no difference at this budget ({gap:+.4f} nats)",
            "undecided": f"{gap:+.4f} nats, which one seed cannot tell from chance",
        }[word]
        speed = _median(runs[name], "tokens_per_second") / _median(runs[first], "tokens_per_second")
        noun = "seed" if len(losses[name]) == len(losses[first]) == 1 else "seeds"
        counts = "/".join(dict.fromkeys(str(len(losses[one])) for one in (name, first)))
        out.append(
            f"{begin}: {said} ({spread(losses[name])} against {spread(losses[first])}, {counts} {noun}), "
            f"{speed:.2f} x the tokens a second; budget: {budget}."
        )
    return out


def table(comparison: Comparison, results: Sequence[Mapping[str, Any]], notes: Mapping[str, str]) -> list[list[str]]:
    """A row for each value: what `HEADER` names."""
    rows = []
    for label, name in comparison.cells:
        runs = [result for result in results if result["cell"] == name]
        if not runs:
            continue
        losses = [run["loss"] for run in runs if run["loss"] is not None]
        note = f" ({notes[name]})" if notes.get(name) else ""
        rows.append(
            [
                label + note,
                spread(losses) if len(losses) == len(runs) else f"{len(runs) - len(losses)} diverged",
                str(len(runs)),
                f"{_median(runs, 'tokens_per_second'):,.0f}",
                f"{_median(runs, 'peak_mb'):,.0f}",
                f"{runs[0]['parameters']:,}",
                f"{runs[0]['steps']:,}",
            ]
        )
    return rows


def report(
    folder: Path,
    budget: str,
    comparisons: Sequence[Comparison],
    results: list[dict[str, Any]],
    notes: Mapping[str, str],
) -> dict[str, Any]:
    """Print the tables and sentences, and write them with the curves as `ablate.html`, `.png` and `.json`."""
    parts, entries = [page.paragraph(f"Every run had {budget}. Loss is nats per target on held-out text.")], []
    for comparison in comparisons:
        rows, lines = table(comparison, results, notes), sentences(comparison, results, budget)
        title = comparison.axis + (f", {comparison.beside}" if comparison.beside else "")
        say()
        for row in [[title, *HEADER[1:]], *rows]:
            say(f"{row[0]:<40}  {row[1]:>17}  {row[2]:>5}  {row[3]:>9}  {row[4]:>8}  {row[5]:>12}  {row[6]:>7}")
        for line in lines:
            say(line)
        parts += [page.heading(title), *map(page.paragraph, lines), page.table([comparison.axis, *HEADER[1:]], rows)]
        entries.append({**comparison._asdict(), "rows": rows, "sentences": lines})
    draw(folder, comparisons, results, folder / "ablate.png")
    parts.append(page.picture(folder / "ablate.png", "loss of every value, mean and range over seeds"))
    threads = "/".join(str(count) for count in sorted({result["threads"] for result in results}))
    parts.append(
        page.paragraph(
            f"{RULE} Speed and memory are medians over seeds, threads a run: {threads}, of machines that "
            "may have had other work to do; peak memory is what a process took beyond its start."
        )
    )
    page.write(folder / "ablate.html", "Ablation", parts)
    found = {"budget": budget, "rule": RULE, "comparisons": entries, "results": results}
    write_json(folder / "ablate.json", found)
    say(f"\nthe page is {folder / 'ablate.html'}")
    return found


def draw(folder: Path, comparisons: Sequence[Comparison], results: Sequence[Mapping[str, Any]], out: Path) -> None:
    """For each comparison: loss against tokens, mean and range over seeds, and the last held-out losses as dots."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3.4 * len(comparisons)), dpi=130, layout="constrained")
    grid = figure.subplots(len(comparisons), 2, squeeze=False, width_ratios=(3, 2))
    for (curves, dots), comparison in zip(grid, comparisons, strict=True):
        lows, highs, labels = [], [], []
        for number, (label, name) in enumerate(comparison.cells):
            runs = [result for result in results if result["cell"] == name]
            labels.append(label)
            if not runs:
                continue
            color, tokens = f"C{number % 10}", runs[0]["tokens"] / runs[0]["steps"] / 1e6
            read_runs = [read(folder / name / str(run["seed"]) / "metrics.jsonl") for run in runs]
            steps, lines = _common(
                [(c.steps, smooth(c.losses, max(1, round(SPAN * len(c.losses))))) for c in read_runs]
            )
            _band(curves, steps * tokens, lines, color, linewidth=1.0, label=label)
            valid, held = _common([(c.valid_steps, np.array(c.valid_losses)) for c in read_runs])
            curves.plot(valid * tokens, held.mean(0), color=color, linestyle="", marker="o", markersize=4, mfc="white")
            late = lines[:, len(steps) // 4 :]
            lows.append(min(float(late.min(initial=np.inf)), float(held.min(initial=np.inf))))
            highs.append(float(lines[:, len(steps) // 8 :].max(initial=-np.inf)))
            losses = [run["loss"] for run in runs if run["loss"] is not None]
            dots.plot([number] * len(losses), losses, linestyle="", marker="o", color=color, alpha=0.6)
            if losses:
                dots.plot([number - 0.2, number + 0.2], [statistics.mean(losses)] * 2, color=color, linewidth=2)
        if lows and math.isfinite(min(lows)) and math.isfinite(max(highs)):
            margin = 0.05 * (max(highs) - min(lows)) or 0.1
            curves.set_ylim(min(lows) - margin, max(highs) + margin)
        curves.set(xlabel="million tokens", ylabel="loss (nats per token)")
        curves.set_title(comparison.axis + (f" ({comparison.beside})" if comparison.beside else ""), loc="left")
        curves.legend(frameon=False, fontsize="small")
        dots.set_xticks(range(len(labels)), labels, rotation=20 if max(map(len, labels)) > 8 else 0)
        dots.set(xlim=(-0.6, len(labels) - 0.4), ylabel="held-out loss at the end")
        for axes in (curves, dots):
            axes.grid(alpha=0.25, linewidth=0.6)
            axes.spines[["top", "right"]].set_visible(False)
    with writing(out) as handle:
        handle.write(png(figure))


def _common(curves: Sequence[tuple[Sequence[int], np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """The steps that every run has, and their losses [runs, steps]."""
    steps = sorted(set.intersection(*(set(steps) for steps, _ in curves)))
    rows = [[loss for step, loss in zip(own, losses, strict=True) if step in set(steps)] for own, losses in curves]
    return np.array(steps), np.array(rows).reshape(len(curves), len(steps))


def _band(axes: Any, x: np.ndarray, lines: np.ndarray, color: str, **style: Any) -> None:
    axes.plot(x, lines.mean(0), color=color, **style)
    if len(lines) > 1:
        axes.fill_between(x, lines.min(0), lines.max(0), color=color, alpha=0.2, linewidth=0)


def _median(runs: Sequence[Mapping[str, Any]], key: str) -> float:
    return float(statistics.median(run[key] for run in runs))
