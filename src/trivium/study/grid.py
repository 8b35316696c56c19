"""Grid: the runs of an ablation. A recipe, the axes along which it changes, and the budget that is held equal.

By default one axis at a time changes against the recipe, so runs add up and each sentence is about one choice. A full
cross multiplies the axes and shows whether choices depend on each other.

Equal budget means one of three things, measured on the recipe itself:
    params   equal parameters (within 1 %) and steps; the feed-forward width is adjusted, or the layers
    flops    equal floating-point operations in all, by `model.size`; the steps are adjusted
    time     equal seconds of training, by timing a few steps of each cell; the steps are adjusted
"""

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import product
from pathlib import Path
from typing import Literal, NamedTuple

from trivium import api
from trivium.base.config import dump, override, parse
from trivium.base.errors import ConfigError
from trivium.model.config import ModelConfig
from trivium.model.size import flops, parameters
from trivium.train.recipe import BUDGETS, Recipe, read_recipe

Match = Literal["params", "flops", "time"]
NEAR = 0.01
"""The largest difference of parameter counts, as a share."""
ROUND = 8
"""Feed-forward widths are multiples of this where that is near enough, because odd widths are slow."""
EVALUATIONS, LINES = 5, 100
"""Evaluations of a run, and logged steps."""

_LABEL = re.compile(r"\s*([\w.+ -]+):(.*)", re.DOTALL)


class Axis(NamedTuple):
    """A key of the recipe, and its values as (label, value)."""

    key: str
    values: list[tuple[str, str]]


class Cell(NamedTuple):
    """A recipe of the grid, before its seed."""

    name: str
    recipe: Recipe
    note: str = ""
    """The change that keeps the budget equal."""
    place: str = ""
    """The folder of its runs under that of its name: a tuned value has its own."""


Timer = Callable[[Cell], float]
"""The seconds of a step of a cell."""


class Comparison(NamedTuple):
    """The cells that differ in one axis alone; the others are measured against the first."""

    axis: str
    beside: str
    """The values of the other axes, if they are crossed."""
    cells: list[tuple[str, str]]
    """(label, name of the cell)."""


def read_axis(text: str) -> Axis:
    """Parse `key=v1,v2`, each a TOML value or a bare word, or `label:value`. Raises ConfigError for anything else."""
    key, equals, given = text.partition("=")
    values = []
    for part in _split(given):
        found = _LABEL.fullmatch(part)
        label, value = (found[1].strip(), found[2].strip()) if found else ("", part.strip())
        values.append((label or value, value))
    labels = [label for label, _ in values]
    if not equals or not key.strip() or not all(value for _, value in values) or len(values) < 2:
        raise ConfigError(f"--axis {text!r}: expected key=v1,v2 with two values or more")
    if len(set(labels)) < len(labels):
        raise ConfigError(f"--axis {text!r}: two values are called {max(labels, key=labels.count)!r}")
    return Axis(key.strip(), values)


def _split(text: str) -> list[str]:
    """Split at the commas outside of brackets and quotes."""
    parts, depth, quote = [""], 0, ""
    for char in text:
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        else:
            depth += (char in "[{") - (char in "]}")
        if char == "," and not depth and not quote:
            parts.append("")
        else:
            parts[-1] += char
    return parts


def lay_out(
    path: Path, overrides: Sequence[str], axes: Sequence[Axis], cross: bool = False
) -> tuple[Recipe, list[Cell], list[Comparison]]:
    """Return the recipe, the cells of its grid, and the comparisons. Equal recipes are one cell."""
    if not axes:
        raise ConfigError("ablate: expected at least one --axis key=v1,v2")
    names = [axis.key.rsplit(".", 1)[-1] for axis in axes]
    names = [axis.key if names.count(name) > 1 else name for axis, name in zip(axes, names, strict=True)]
    if len(set(names)) < len(names):
        raise ConfigError(f"--axis {max(names, key=names.count)}: given twice")
    base = read_recipe(path, overrides)
    cells = {"base": Cell("base", base)}
    used: set[str] = set()

    def cell(choice: dict[int, tuple[str, str]]) -> str:
        changes = [f"{axes[axis].key}={value}" for axis, (_, value) in sorted(choice.items())]
        recipe = read_recipe(path, [*overrides, *changes])
        name = "_".join(f"{names[axis]}-{_slug(label)}" for axis, (label, _) in sorted(choice.items()))
        known = next((one.name for one in cells.values() if one.recipe == recipe), None)
        if known is None:
            known = name if name not in cells else f"{name}-{len(cells)}"
            cells[known] = Cell(known, recipe)
        used.add(known)
        return known

    comparisons = []
    for axis, name in enumerate(names):
        others = [other for other in range(len(axes)) if other != axis] if cross else []
        for beside in product(*(axes[other].values for other in others)):
            rest = dict(zip(others, beside, strict=True))
            row = [(label, cell({**rest, axis: (label, value)})) for label, value in axes[axis].values]
            told = ", ".join(f"{names[other]} {label}" for other, (label, _) in rest.items())
            comparisons.append(Comparison(name, told, row))
    return base, [one for one in cells.values() if one.name in used], comparisons


def _slug(label: str) -> str:
    return re.sub(r"[^\w.+]+", "-", label).strip("-") or "value"


def matched(
    base: Recipe, cells: Iterable[Cell], match: Match, axes: Sequence[Axis], steps: int, seconds: Timer
) -> list[Cell]:
    """Return the cells with a budget equal to `steps` steps of the recipe; `seconds` times a step of a cell.

    Raises ConfigError for an unknown `match`, and for a cell whose parameters cannot be made equal.
    """
    if match not in ("params", "flops", "time"):
        raise ConfigError(f"--match {match}: expected params, flops or time")
    whole, goal = Cell("base", base), count(base)
    cost = seconds if match == "time" else lambda cell: step_flops(cell.recipe)
    out = []
    for cell in cells:
        note, its = "", steps
        if match == "params":
            cell, note = _same_size(cell, goal, {axis.key for axis in axes})
        elif cell.recipe != base:
            its = max(1, round(steps * cost(whole) / cost(cell)))
        out.append(Cell(cell.name, budgeted(cell.recipe, its), note))
    return out


def base_steps(base: Recipe, minutes: float | None, seconds: Timer) -> int:
    """Return the steps of the recipe itself: its budget, or the steps in `minutes`."""
    minutes = minutes or base.budget_minutes
    if minutes is not None:
        return max(1, round(60 * minutes / seconds(Cell("base", base))))
    if base.budget_steps is not None:
        return base.budget_steps
    if base.budget_tokens is not None:
        return max(1, base.budget_tokens // base.batch_tokens)
    raise ConfigError(
        "ablate: budget_epochs is no budget that cells can share; give budget_steps, budget_tokens or --minutes"
    )


def budget(base: Recipe, match: Match, steps: int, seconds: Timer) -> str:
    """Return the budget of every run in words."""
    if match == "params":
        tokens = steps * step_tokens(base)
        return f"{count(base):,} parameters within {NEAR:.0%} and {steps:,} steps, {tokens:,} tokens"
    if match == "flops":
        return f"{steps * step_flops(base):.3g} FLOPs"
    return f"{steps * seconds(Cell('base', base)):,.0f} s of training"


def budgeted(recipe: Recipe, steps: int) -> Recipe:
    """Return the recipe with a budget of `steps`, evaluated and logged evenly over them."""
    often = {"eval_every_steps": max(1, steps // EVALUATIONS), "log_every_steps": max(1, steps // LINES)}
    return recipe.replace(**{**dict.fromkeys(BUDGETS), "budget_steps": steps, **often})


def config_of(recipe: Recipe) -> ModelConfig:
    """Return the model that a recipe trains."""
    return recipe.model or api.load(str(recipe.init)).config


def length_of(recipe: Recipe) -> int:
    """Return the tokens in a row."""
    return recipe.data.length or config_of(recipe).context


def count(recipe: Recipe) -> int:
    """Return the number of parameters."""
    return sum(parameters(config_of(recipe)).values())


def step_tokens(recipe: Recipe) -> int:
    """Return the positions in a step."""
    return recipe.step_rows(length_of(recipe)) * length_of(recipe)


def step_flops(recipe: Recipe) -> float:
    """Return the floating-point operations of a step."""
    return flops(config_of(recipe), length_of(recipe)) * step_tokens(recipe)


def _same_size(cell: Cell, goal: int, keys: set[str]) -> tuple[Cell, str]:
    """Bring the parameters of a cell within 1 % of `goal` by a number that no axis sets."""
    found = count(cell.recipe)
    if abs(found - goal) <= NEAR * goal:
        return cell, ""
    nearest = f"it has {found:,} parameters"
    if cell.recipe.model is not None:
        for knob, step in (("ffn.size", ROUND), ("ffn.size", 1), ("layers", 1)):
            if any(f"model.{stack}.{knob}" in keys for stack in cell.recipe.model.stacks):
                continue  # an axis sets this number
            changed, told = _turned(cell, goal, knob, step)
            if changed is not None and abs(count(changed) - goal) <= NEAR * goal:
                return Cell(cell.name, changed), told
            nearest = f"the nearest by {knob} is {told}" if told else nearest
    raise ConfigError(
        f"--match params: {cell.name}: expected {goal:,} parameters within {NEAR:.0%}; {nearest}; "
        "take --match flops or change the axis"
    )


def _turned(cell: Cell, goal: int, knob: str, step: int) -> tuple[Recipe | None, str]:
    """Set a number in all stacks so that the parameters, which grow in proportion to it, come near the goal."""
    model = cell.recipe.model
    assert model is not None
    stack = next(iter(model.stacks.values()))
    now = stack.layers if knob == "layers" else stack.ffn.width(model.hidden_size)

    def made(number: int) -> Recipe:
        changes = [f"model.{name}.{knob}={number}" for name in model.stacks]
        return parse(Recipe, override(dump(cell.recipe), changes), cell.name)

    slope = count(made(now + step)) - count(made(now))
    number = now + round((goal - count(made(now))) / slope) * step if slope else 0
    if number < 1:
        return None, ""
    recipe = made(number)
    return recipe, f"{knob} {now} -> {number}, {count(recipe):,} parameters"
