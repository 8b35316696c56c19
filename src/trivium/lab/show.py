"""Show a recipe, a model folder or a data folder as lines: its resolved tree, its size and its costs."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from trivium import api
from trivium.base.config import dump, fields, read_toml
from trivium.base.errors import ConfigError
from trivium.base.folder import hint, is_hub, kind_of
from trivium.corpus.report import lines as report_lines
from trivium.data.shards import read_manifest
from trivium.model.attention.pattern import Where
from trivium.model.config import ModelConfig, kernels
from trivium.model.device import bf16_gain, pick
from trivium.model.size import ADAM_BYTES, flops, parameters, training_bytes
from trivium.task.fit import estimated
from trivium.task.start import fitting
from trivium.train.loop import BF16_WORTH
from trivium.train.recipe import Recipe, load_imports, read_recipe


def describe(what: Path, overrides: list[str]) -> Iterator[str]:
    """Yield lines about a recipe, a model folder or a data folder; `overrides` apply to a recipe."""
    if what.is_dir() and (what / "manifest.json").is_file():
        yield from report_lines(read_manifest(what))
    elif what.is_dir() and kind_of(what) == "a folder":
        raise ConfigError(f"{what}: expected a recipe, a model folder or a data folder, found a folder of other files")
    elif what.is_dir() or is_hub(what):
        config = api.load(what).config
        yield from _tree(dump(config))
        yield from _model(config, config.context)
    elif not what.exists() and what.suffix != ".toml":
        raise ConfigError(f"{what}: no such recipe, model folder or data folder{hint(what)}")
    else:
        recipe = read_recipe(what, overrides)
        yield from _tree(dump(recipe))
        model = recipe.model or api.load(str(recipe.init)).config
        length = fitting(recipe.data.length, model, "data.length")
        yield from _model(model, length)
        yield from _run(recipe, model, length)


def list_keys(path: str, recipe: Path | None = None) -> Iterator[str]:
    """Yield every field below a dotted path: its type, default and bounds, and below them what it is for.

    The kinds of the files that a recipe imports are among them.
    """
    if recipe is not None and recipe.is_file():
        load_imports(read_toml(recipe), str(recipe))
    for key in fields(Recipe, path):
        yield f"{key.path:<36} {key.type:<24} {key.default:<16} {key.bounds}".rstrip()
        if key.about:
            yield f"    {key.about}"


def _tree(tree: Any, path: str = "") -> Iterator[str]:
    for key, value in tree.items():
        name = f"{path}{key}"
        if isinstance(value, dict) and value:
            yield from _tree(value, f"{name}.")
        elif value is not None:
            yield f"{name:<44} {json.dumps(value)}"


def _model(config: ModelConfig, length: int) -> Iterator[str]:
    parts = parameters(config)
    yield ""
    yield f"parameters              {sum(parts.values()):>14,}"
    for part, count in parts.items():
        yield f"  {part:<22} {count:>13,}"
    cost = f"{flops(config, length):>13,.0f}"
    yield f"training FLOPs per token {cost}   at rows of {length:,} (two for a multiply-add; x3 for backward)"
    place = torch.arange(length)[None]
    whole = dict.fromkeys(config.stacks, Where(place, torch.ones_like(place)))
    yield "kernels, in training on rows that are whole documents"
    for layers, choice in kernels(config, whole, plain=whole, device=pick().type).items():
        yield f"  {layers:<24} {choice}"


def _run(recipe: Recipe, config: ModelConfig, length: int) -> Iterator[str]:
    rows = recipe.step_rows(length)
    micro = min(recipe.micro_rows or estimated(recipe, config, length, rows)[0], rows)
    memory = training_bytes(config, length, micro, getattr(recipe.loss, "chunk_rows", 0), recipe.recompute)
    device = pick()
    split = f"{rows} rows of {length}, {-(-rows // micro)} micro-batches of {micro}"
    yield f"tokens per step          {rows * length:>13,}   {split}"
    parts = f"{ADAM_BYTES} bytes a parameter, activations, a chunk of scores"
    yield f"memory while training    {memory / 2**20:>13,.0f}   MiB, estimated: {parts}"
    if recipe.precision == "auto":
        gain = bf16_gain(device.type)
        choice = "bf16" if gain > BF16_WORTH else "fp32"
        yield f"precision                {choice:>13}   a bf16 product runs {gain:.2f} times as fast as fp32 here"
