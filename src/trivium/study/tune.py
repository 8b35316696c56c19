"""Tune: one number of a recipe at its best value for each cell of a grid, so that a verdict compares optima.

Every value runs to the end of its budget with the first seed; a run that diverged or stopped is infinitely bad. Where
the lowest loss stands at the smallest or the largest value, the grid of that cell grows on that side by the ratio of
its last two values, at most `WIDENINGS` times. An optimum that is still at the edge is named as such.
"""

import contextlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from trivium.base.config import dump, override, parse
from trivium.base.errors import ConfigError
from trivium.lab.picture import finish
from trivium.study.grid import Axis, Cell, Match, budgeted, step_flops
from trivium.train.recipe import BUDGETS, Recipe, lay

WIDENINGS = 3
"""How often the grid of a cell grows."""

RULE = (
    "Every variant is compared at its own best {}. It is found with the first seed, which is one of the seeds of the "
    "verdict; runs that did not finish do not count, and the table marks the lowest loss."
)


class Sweep(NamedTuple):
    """A numeric field of the recipe, and the values that every cell tries first, in ascending order."""

    key: str
    values: tuple[float, ...]

    @property
    def name(self) -> str:
        """The last word of the key."""
        return self.key.rsplit(".", 1)[-1]


@dataclass
class Optimum:
    """The losses of one cell by value, infinite where a run did not finish, and where the lowest is."""

    losses: dict[float, float] = field(default_factory=dict)
    reasons: dict[float, str] = field(default_factory=dict)
    """Why a run did not finish, by value."""

    @property
    def value(self) -> float:
        """The value with the lowest loss; the smallest one where no run finished."""
        return min(sorted(self.losses), key=self.losses.__getitem__)

    @property
    def finished(self) -> bool:
        """Whether a run of any value finished."""
        return math.isfinite(self.losses[self.value])

    @property
    def edge(self) -> bool:
        """Whether the lowest loss has a neighbour on one side alone."""
        return self.value in (min(self.losses), max(self.losses))

    def wider(self) -> float | None:
        """Return the value by which the grid grows, or None where the optimum is inside, or no number is left."""
        order = sorted(self.losses)
        if self.value == order[-1] and self.finished:
            last, before = order[-1], order[-2]
        elif self.value == order[0]:
            last, before = order[0], order[1]
        else:
            return None
        if last <= 0 or before <= 0:  # such values have no ratio
            return None
        return float(f"{last * last / before:.3g}")


class Tuned(NamedTuple):
    """What a search over the values of a field found."""

    sweep: Sweep
    optima: dict[str, Optimum]
    """By the name of the cell."""

    def of(self, cells: Sequence[tuple[str, str]]) -> list[tuple[str, Optimum]]:
        """Return the label and optimum of each cell, given as (label, name), whose search is done."""
        return [(label, self.optima[name]) for label, name in cells if name in self.optima]

    def table(self, cells: Sequence[tuple[str, str]], mark: str = "{} *") -> list[list[str]]:
        """Return header and rows: the loss of each cell at each value; `mark` forms the lowest of a row."""
        known = self.of(cells)
        values = sorted({value for _, one in known for value in one.losses})
        rows = [[self.sweep.key, *map(_text, values)]]
        for label, one in known:
            losses = ((value, one.losses.get(value)) for value in values)
            told = [
                (value, "" if loss is None else f"{loss:.4f}" if math.isfinite(loss) else "not finished")
                for value, loss in losses
            ]
            best = one.value if one.finished else None
            rows.append([label, *(mark.format(text) if value == best else text for value, text in told)])
        return rows

    def notes(self, cells: Sequence[tuple[str, str]]) -> list[str]:
        """Return a sentence for each optimum at the edge of its grid, and for each run that did not finish."""
        out = []
        for label, one in self.of(cells):
            if one.finished and one.edge:
                side = "smallest" if one.value == min(one.losses) else "largest"
                best = f"{label}: its best {self.sweep.key}, {_text(one.value)}, is the {side} that was tried"
                out.append(f"{best}, at the edge of the grid: a better one may lie beyond it.")
            out += [f"{label}: {self.sweep.key}={_text(at)} did not finish: {why}." for at, why in one.reasons.items()]
        return out

    def against(self, *names: str) -> str:
        """Return the words of a verdict that say at which values cells are compared."""
        found = (self.optima[name] for name in names)
        values = (_text(one.value) + ", at the edge of its grid," * one.edge for one in found)
        return f"each at its best {self.sweep.key}: {' against '.join(values)}".rstrip(",")

    def lost(self, name: str) -> str:
        """Return why a cell has no optimum, or nothing."""
        one = self.optima.get(name)
        return "" if one is None or one.finished else f"no value of {self.sweep.key} finished"

    def record(self) -> dict[str, Any]:
        """Return it as plain data: the losses by value, None where a run did not finish, and the best value."""
        optima = {
            name: {
                "best": one.value if one.finished else None,
                "edge": one.edge,
                "losses": {_text(at): loss if math.isfinite(loss) else None for at, loss in one.losses.items()},
                "reasons": {_text(at): why for at, why in one.reasons.items()},
            }
            for name, one in self.optima.items()
        }
        return {"key": self.sweep.key, "values": self.sweep.values, "widenings": WIDENINGS, "optima": optima}

    def draw(self, axes: Any, cells: Sequence[tuple[str, str]]) -> None:
        """Draw the loss of each cell against the value, its optimum as a star, runs that did not finish as crosses."""
        seen: list[float] = []
        over: Any = {"transform": axes.get_xaxis_transform(), "clip_on": False}
        for number, (_, name) in enumerate(cells):
            if (one := self.optima.get(name)) is None:
                continue
            look: Any = {"color": f"C{number % 10}", "linestyle": ""}
            good = [value for value in sorted(one.losses) if math.isfinite(one.losses[value])]
            losses = [one.losses[value] for value in good]
            axes.plot(good, losses, **look | {"linestyle": "-"}, marker="o", markersize=3.5, linewidth=1)
            if one.reasons:
                axes.plot([*one.reasons], [0.96] * len(one.reasons), **look, **over, marker="x")
            if good:
                best = good.index(one.value)
                axes.plot(good[best], losses[best], **look, marker="*", markersize=13, mec="white")
                seen += losses[max(0, best - 1) : best + 2]
        values = sorted({value for _, one in self.of(cells) for value in one.losses})
        if all(value > 0 for value in values):
            axes.set_xscale("log")
        axes.set_xticks(values, [*map(_text, values)], rotation=30 if len(values) > 3 else 0)
        axes.set_xticks([], minor=True)
        if seen:  # what is far from every optimum may leave the picture
            margin = 0.06 * (max(seen) - min(seen)) or 0.1
            axes.set_ylim(min(seen) - margin, max(seen) + margin)
        axes.set(xlabel=self.sweep.key, ylabel="held-out loss of the first seed")
        finish(axes)


def read_sweep(text: str) -> Sweep:
    """Parse `key=v1,v2` with two different numbers or more. Raises ConfigError for anything else."""
    key, _, given = text.partition("=")
    try:
        values = sorted(float(part) for part in given.split(","))
    except ValueError:
        values = []
    if not key.strip() or len({_text(value) for value in values}) < max(2, len(values)) or not _finite(values):
        raise ConfigError(f"--tune {text!r}: expected key=v1,v2 with two different numbers or more")
    return Sweep(key.strip(), tuple(values))


def at(cell: Cell, sweep: Sweep, value: float, match: Match) -> Cell:
    """Return a cell with its budget at a value.

    Raises ConfigError for a field that is unknown or no number, a value that is not allowed, and for a field that is
    the budget or that changes what a step costs where steps are what is equal.
    """
    where = f"--tune {sweep.key}={_text(value)}"
    recipe = parse(Recipe, override(dump(cell.recipe), [f"{sweep.key}={_text(value)}"], lay), f"{where}: {cell.name}")
    found = _reach(dump(recipe), sweep.key)
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise ConfigError(f"{where}: expected a field that is one number, found {found!r}")
    if any(getattr(recipe, name) != getattr(cell.recipe, name) for name in (*BUDGETS, "seed")):
        raise ConfigError(f"{where}: seeds and the budget are equal in all cells; tune another field")
    was, now = step_flops(cell.recipe), step_flops(recipe)
    if was != now:
        if match != "flops":
            raise ConfigError(f"{where}: changes what a step costs; take --match flops or tune another field")
        recipe = budgeted(recipe, max(1, round((cell.recipe.budget_steps or 1) * was / now)))
    return cell._replace(recipe=recipe, place=f"{sweep.name}-{_text(value)}")


def grown(cell: Cell, one: Optimum, sweep: Sweep, match: Match) -> tuple[Cell, float] | None:
    """Return the cell at the value by which its grid grows, a whole number where the field is one; None if it does not.

    It does not where the optimum is inside or the field allows no such value.
    """
    if (value := one.wider()) is None:
        return None
    if isinstance(_reach(dump(cell.recipe), sweep.key), int):
        value = float(round(value))
    with contextlib.suppress(ConfigError):
        if value not in one.losses:
            return at(cell, sweep, value, match), value
    return None


def tries(cells: Sequence[Cell], axes: Sequence[Axis], sweep: Sweep, match: Match) -> list[tuple[Cell, float]]:
    """Return all cells at the first value, then at the next ones. Raises ConfigError where an axis sets the field."""
    for axis in axes:
        for label, value in axis.values:
            if _reach(override({}, [f"{axis.key}={value}"]), sweep.key) is not None:
                asks = f"the question --axis {axis.key} sets it"
                raise ConfigError(f"--tune {sweep.key}: {asks} ({label}); tune another field")
    return [(at(cell, sweep, value, match), value) for value in sweep.values for cell in cells]


def _reach(tree: Any, key: str) -> Any:
    """Return what a tree has under a dotted key, or None."""
    for part in key.split("."):
        tree = tree.get(part) if isinstance(tree, dict) else None
    return tree


def _text(value: float) -> str:
    return f"{value:.10g}"


def _finite(values: Sequence[float]) -> bool:
    return all(map(math.isfinite, values))
