"""Fine-tuning for every task: the defaults of the task and what a person says become a recipe, which is run.

The metrics of the task on held-out files go into the model folder.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from trivium import api
from trivium.base import plugin
from trivium.base.config import merge, override, parse, read_toml
from trivium.base.log import FIRST, result
from trivium.model.device import pick
from trivium.rows.record import Record
from trivium.task.run import run
from trivium.task.task import task_of
from trivium.token.template import CHAT_TEMPLATE, asked_by_template
from trivium.train.recipe import Recipe, lay


def recipe_for(
    name: str,
    model: str | Path,
    data: Sequence[str],
    valid: Sequence[str] = (),
    overrides: Sequence[str] = (),
    recipe: str | Path | None = None,
    head: bool = False,
) -> Recipe:
    """Return the recipe of a task: overrides such as `optim.lr=1e-4` over a recipe file over the defaults of the task.

    An encoder-decoder model learns a task whose rows have a form in words without a head, unless `head` is set: text to
    text, where its folder has no chat template that it was tuned with and the task no turns of several roles.
    """
    given = read_toml(recipe, lay) if recipe is not None else {}
    plugin.load(override(given, overrides).get("imports") or [])
    task = task_of(name)
    kind, spoken = task.objective, task.record if task.record and task.record.chats() else None
    tree: dict[str, Any] = {}
    base = api.load(model) if not task.roles and (kind == "instruct" or (spoken and not head)) else None
    if base is not None and base.config.family == "encoder_decoder" and base.config.pictures is None:
        if kind != "instruct":
            kind = "instruct"
            given.pop("objective", None)  # a recipe's objective is for the head
        if base.tokenizer.chat_template in (None, CHAT_TEMPLATE) and not asked_by_template(base.record):
            tree["template"] = {"kind": "bare"}
    tree |= {
        "objective": {"kind": kind},
        "schedule": {"kind": "wsd", "warmup_steps": 10, "decay": 0.6},
        **task.defaults,
    }
    files = {"init": str(model), "data": {"path": list(data), "valid": list(valid)}}
    tree = override(lay(lay(tree, given), files), overrides, lay)
    columns = (tree["data"].get("rows") or {}).get("columns")
    own = task.objective != "instruct" or (columns and spoken and spoken.columns != Record.columns)
    if spoken and kind == "instruct" and own:  # the rows are those of the task, whatever else their keys fit
        tree = merge({"data": {"rows": {"format": spoken.kind}}}, tree)
    return parse(Recipe, tree, str(recipe or f"finetune {task.kind}"))


def finetune(
    name: str,
    recipe: Recipe,
    out: Path,
    resume: bool = False,
    begin: Callable[[api.Model, Recipe], None] | None = None,
    from_step: int | None = None,
    force: bool = False,
    options: Sequence[str] = (),
    since: float | None = None,
    profile: bool = False,
) -> tuple[Path, dict[str, Any]]:
    """Train a model for a task into a run folder; return its model folder and the metrics on `data.valid`.

    Options such as `max_new_tokens=64` set the fields of the task, by which it answers and is measured.
    """
    task = task_of(name, options)
    about = {"task": name, "generation": task.options(), "imports": plugin.needed([type(task)])}
    folder = run(recipe, out, resume, about, begin, from_step, force, since, profile)
    if not recipe.data.valid or not FIRST:
        return folder, {}
    trained = api.load(folder, device=pick())
    found = task.measure(trained, recipe.data.valid, recipe.data.rows)
    trained.record = {**trained.record, "evaluation": {name: plain(found)}}
    trained.save(folder)
    return folder, found


def plain(found: dict[str, Any]) -> dict[str, Any]:
    """Return the metrics that are single numbers or texts."""
    return {name: value for name, value in found.items() if isinstance(value, int | float | str)}


def tell(found: dict[str, Any]) -> None:
    """Print metrics, one per line."""
    width = max([12, *map(len, plain(found))])
    for name, value in plain(found).items():
        shown = f"{value:.4f}" if isinstance(value, float) else value if isinstance(value, str) else f"{value:,}"
        result(f"{name:<{width}} {shown}")
