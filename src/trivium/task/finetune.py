"""One command for every task: a task's defaults, the files of rows and what a person says become a recipe; it is run,
and the task's metrics on the held-out files go into the model folder.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from trivium import api
from trivium.base import plugin
from trivium.base.config import merge, override, parse, read_toml
from trivium.base.log import FIRST, say
from trivium.model.device import pick
from trivium.task.run import run
from trivium.task.task import task_of
from trivium.train.recipe import Recipe

TEXT_TO_TEXT = ("classify", "extract")
"""Tasks with a head that an encoder-decoder model learns as text unless `head` asks for one."""
FORMATS = {"classify": "label", "summarize": "summary"}
"""What two columns of a table are where a task is learned as text."""


def recipe_for(
    name: str,
    model: str | Path,
    data: Sequence[str],
    valid: Sequence[str] = (),
    overrides: Sequence[str] = (),
    recipe: str | Path | None = None,
    head: bool = False,
) -> Recipe:
    """The recipe of a task: its defaults, under those of a recipe file, under overrides such as `optim.lr=1e-4`."""
    task = task_of(name)
    objective = task.objective
    if task.kind in TEXT_TO_TEXT and not head and api.load(model).config.family == "encoder_decoder":
        objective = "instruct"
    tree: dict[str, Any] = {
        "objective": {"kind": objective},
        "schedule": {"kind": "wsd", "warmup_steps": 10, "decay": 0.6},
        **task.defaults,
    }
    if recipe is not None:
        given = read_toml(recipe)
        if objective != task.objective:  # in words nothing of what a recipe says of a head applies
            given.pop("objective", None)
        if any(key.startswith("budget_") for key in given):
            tree = {key: value for key, value in tree.items() if not key.startswith("budget_")}
        tree = merge(tree, given)
    tree = merge(tree, {"init": str(model), "data": {"path": list(data), "valid": list(valid)}})
    if any(one.startswith("budget_") for one in overrides):
        tree = {key: value for key, value in tree.items() if not key.startswith("budget_")}
    tree = override(tree, overrides)
    if objective == "instruct" and task.kind in FORMATS and tree["data"].get("rows", {}).get("columns"):
        tree = merge({"data": {"rows": {"format": FORMATS[task.kind]}}}, tree)
    plugin.load(tree.get("imports", []))
    return parse(Recipe, tree, str(recipe or f"finetune {task.kind}"))


def finetune(
    name: str, recipe: Recipe, out: Path, resume: bool = False, begin: Callable[[api.Model, Recipe], None] | None = None
) -> tuple[Path, dict[str, Any]]:
    """Train a model for a task into a run folder; give its model folder and the metrics on `data.valid`."""
    folder = run(recipe, out, resume, {"task": name}, begin)
    if not recipe.data.valid or not FIRST:
        return folder, {}
    trained = api.load(folder, device=pick())
    found = task_of(name).measure(trained, recipe.data.valid, recipe.data.rows)
    trained.record = {**trained.record, "evaluation": {name: plain(found)}}
    trained.save(folder)
    return folder, found


def plain(found: dict[str, Any]) -> dict[str, Any]:
    """The metrics that are single numbers."""
    return {name: value for name, value in found.items() if isinstance(value, int | float)}


def tell(found: dict[str, Any]) -> None:
    """Say metrics, one a line."""
    for name, value in plain(found).items():
        say(f"{name:<12} {value:,}" if isinstance(value, int) else f"{name:<12} {value:.4f}")
