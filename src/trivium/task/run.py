"""Run a recipe: pretraining, continued training and fine-tuning fill a run folder with a model."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from trivium import api
from trivium.base.config import dump
from trivium.base.errors import ConfigError, ModelError
from trivium.base.folder import HUB, is_hub, model_folder
from trivium.base.log import say, waiting
from trivium.base.types import Vocabulary
from trivium.data.loader import Loader, in_order
from trivium.data.rows import Rows
from trivium.model.adapt import adapt, merge
from trivium.model.attention.pattern import Where
from trivium.model.config import kernels
from trivium.model.device import evaluating, place
from trivium.model.transformer import Transformer
from trivium.rows.notes import Notes
from trivium.task.about import data_facts
from trivium.task.feed import data_identity, open_rows
from trivium.task.fit import micro_rows
from trivium.task.start import bare_model, row_length, start_model
from trivium.task.task import by_objective
from trivium.train.evaluate import Evaluation, evaluate
from trivium.train.exact.certificate import sealed
from trivium.train.exact.grain import grains_of
from trivium.train.loop import autocast_dtype, train
from trivium.train.pace import Pace
from trivium.train.parallel.shard import gather, spread
from trivium.train.parallel.world import World, world
from trivium.train.recipe import Recipe
from trivium.train.recompute import recompute
from trivium.train.run import free, open_run


def run(
    recipe: Recipe,
    folder: Path,
    resume: bool = False,
    about: Mapping[str, Any] | None = None,
    begin: Callable[[api.Model, Recipe], None] | None = None,
    from_step: int | None = None,
    force: bool = False,
    since: float | None = None,
    profile: bool = False,
) -> Path:
    """Train a recipe into the run folder `folder`; return its model folder, whose trivium.json also keeps `about`.

    `begin` receives the model and the recipe before the rows are read. With `resume` the run goes on from its newest
    checkpoint, with `from_step` from the one of that step. A run that is there is an error, or removed with `force`.
    The minutes of a recipe began at `since` on the clock `time.monotonic`, or begin now. `profile` traces a few steps.
    """
    since = Pace.clock() if since is None else since
    resume = resume or from_step is not None
    with world(seconds=recipe.timeout_seconds, layout=recipe.parallel) as ranks:
        if ranks.first:
            free(folder, resume, force)
            for tracker in recipe.track:
                tracker.library()  # what is missing is told before any work is done
        model = start_model(recipe)
        vocabulary = model.vocabulary
        length = row_length(recipe, model)
        if begin is not None and ranks.first:
            begin(model, recipe)
        notes = Notes()
        with waiting("reading rows"):
            rows, valid = open_rows(recipe, model, length, notes)
        notes.tell()
        if recipe.lora is not None:
            torch.manual_seed(recipe.seed)
            adapt(model.transformer, recipe.lora)
        transformer = model.transformer.to(ranks.device if ranks.mesh is None else "cpu").train()
        recompute(transformer, recipe.recompute)
        pad, each = vocabulary.pad, recipe.step_rows(length)
        kept = folder / "recipe.json" if resume else None
        micro = micro_rows(recipe, transformer, rows, length, pad, ranks, kept)
        chosen = recipe.replace(micro_rows=micro)
        grains = grains_of(recipe, each, micro, ranks)
        block = None if grains is None else grains.rows * grains.share
        loader = Loader(rows, each, micro, pad, recipe.seed, ranks.reader, ranks.readers, block=block)
        steps = count_steps(recipe, loader)
        scores: list[Evaluation] = []

        def measure() -> Evaluation:
            assert valid is not None
            found = score_rows(transformer, *valid, vocabulary, chosen, ranks)
            scores.append(replace(found, samples=sampled(model, recipe.samples)))
            return scores[-1]

        score = measure if valid is not None else None
        scored = {"keep_best": recipe.keep_best, "patience": recipe.patience, "samples": recipe.samples}
        if score is None and any(scored.values()):
            name = next(name for name, asked in scored.items() if asked)
            raise ConfigError(f"{name}: there are no held-out rows to score; give data.valid, or leave {name} out")
        facts: dict[str, Any] = {
            "tokenizer": model.tokenizer.identity if vocabulary.size else "",
            "data": data_identity(recipe, notes.named),
        }
        facts |= {"micro_rows": micro} if recipe.micro_rows is None else {}
        kernels = chosen_kernels(transformer, loader, ranks, autocast_dtype(recipe, ranks.device))
        skeleton = spread(transformer, ranks, torch.bfloat16 if recipe.precision == "bf16" else torch.float32)
        with open_run(folder, recipe, facts, resume, ranks.first, force, kernels=kernels):
            if resume and not any((folder / "checkpoints").glob("*step-*")):
                say("nothing to resume, starting at step 0")
            last = train(transformer, loader, chosen, steps, folder, ranks, score, from_step, since, profile)
            model.transformer = gather(transformer, skeleton, ranks)
            if last.repeats and recipe.micro_rows is None:
                last = last._replace(repeats=f"{last.repeats} micro_rows={micro}")
            if last.repeats:
                say(f"the same run by steps: {last.repeats}")
            if ranks.first:
                if recipe.lora is not None:
                    keep_adapter(folder / "adapter", model, recipe)
                model.record = {"recipe": dump(recipe), **facts, "trained_on": data_facts(recipe)}
                model.record |= {"result": last.record(), **(about or {})}
                if recipe.deterministic:
                    model.record["certificate"] = sealed(folder)
                if recipe.data.license is not None:
                    model.record["data_license"] = recipe.data.license
                if last.best or scores:
                    model.record["held_out"] = dict(last.best) or scores[-1].record()
                    model.record["held_out"] |= {"weights": "averaged"} if recipe.ema and recipe.ema.use else {}
                if notes.prefix:
                    model.record["prefix"] = notes.prefix
                if recipe.objective.reads == "records":
                    task = by_objective(recipe.objective)
                    model.record = {"task": task.kind, **model.record}
                    task.finish(model, bare_model(recipe))
                with waiting("writing the model"):
                    model.save(folder / "model")
    return folder / "model"


def chosen_kernels(transformer: Transformer, loader: Loader, ranks: World, precision: torch.dtype) -> dict[str, str]:
    """Print and return the kernel of each kind of layer for the first rows, and why."""
    first = place(loader.step(0)[0])
    streams = {name: side for name, side in (("encoder", first.enc), ("decoder", first.dec)) if side is not None}
    places = {name: Where.of(side) for name, side in streams.items()}
    plain = [name for name, side in streams.items() if side.plain]
    found = kernels(transformer.config, places, plain, ranks.device.type, precision)
    for layers, choice in found.items():
        say(f"attention of {layers}: {choice}")
    return found


def keep_adapter(folder: Path, model: api.Model, recipe: Recipe) -> None:
    """Save the adapters in a folder of their own and merge them into the model."""
    try:
        model.save_adapter(folder, base_name(recipe.init))
    except ModelError as refused:
        say(f"the adapter is only kept merged into the model: {refused}")
    merge(model.transformer)


def base_name(init: str | None) -> str:
    """Return how an adapter names its base: the folder, or OWNER/NAME of the hub, as peft has it."""
    if init is None or is_hub(init):
        return (init or "").removeprefix(HUB).partition("@")[0]
    return str(model_folder(init).resolve())


def count_steps(recipe: Recipe, loader: Loader) -> int | None:
    """Return the optimizer steps of the budget, None if a clock decides; epochs end exactly with their last row."""
    if recipe.budget_steps is not None:
        return recipe.budget_steps
    if recipe.budget_epochs is not None:
        loader.samples = max(1, loader.epochs(recipe.budget_epochs))
        return -(-loader.samples // loader.step_rows)
    if recipe.budget_tokens is None:
        return None
    return max(1, recipe.budget_tokens // recipe.batch_tokens)


def sampled(model: api.Model, prompts: Sequence[str]) -> tuple[str, ...]:
    """Return what a model writes after each prompt, or has for its gaps; a ConfigError says why it cannot."""
    if not prompts:
        return ()
    try:
        with evaluating(model.transformer):
            if model.config.decoder is None:
                return tuple(" ".join(gap[0][0] for gap in model.fill(prompt, 1)) for prompt in prompts)
            return tuple(model.generate([*prompts]))
    except (ConfigError, ModelError) as error:
        raise ConfigError(f"samples: {error}") from error


def score_rows(
    transformer: Transformer, rows: Rows, text_bytes: int | None, vocabulary: Vocabulary, recipe: Recipe, ranks: World
) -> Evaluation:
    """Evaluate a model on held-out rows; `text_bytes` is the size in bytes of their text."""
    batches = in_order(rows, recipe.micro_rows or 1, vocabulary.pad, ranks.reader, ranks.readers)
    precision = autocast_dtype(recipe, ranks.device)
    return evaluate(transformer, batches, ranks, text_bytes, vocabulary.special, precision, recipe.loss.plain())
