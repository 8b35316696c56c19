"""A recipe becomes a run folder with a model in it: pretraining, going on, and supervised rows alike."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from trivium import api
from trivium.base.config import dump
from trivium.base.errors import ConfigError, DataError, ModelError
from trivium.base.files import fingerprint, sha256
from trivium.base.log import say
from trivium.base.seeds import mix
from trivium.data.conversation import conversation_rows
from trivium.data.labelled import CUT
from trivium.data.loader import Loader, in_order
from trivium.data.mixture import Mixture
from trivium.data.rows import DocumentRows, Rows
from trivium.data.shards import Corpus, read_manifest
from trivium.model.adapt import adapt, merge
from trivium.model.auto import explain
from trivium.model.device import place
from trivium.model.resize import resize
from trivium.model.transformer import Transformer, where
from trivium.objective.instruct import Instruct
from trivium.task.task import by_objective
from trivium.text.extend import extend
from trivium.text.template import Bare, dress, source, stop_ids
from trivium.text.template import Trivium as Markers
from trivium.text.tokenizer import Tokenizer
from trivium.train.evaluate import Score, evaluate
from trivium.train.loop import autocast_dtype, train
from trivium.train.parallel import World, world
from trivium.train.recipe import Recipe
from trivium.train.run import open_run


def run(
    recipe: Recipe, folder: Path, resume: bool = False, about: Mapping[str, Any] | None = None,
    begin: Callable[[api.Model, Recipe], None] | None = None,
) -> Path:  # fmt: skip
    """Train what a recipe says into `folder`; give its model folder, whose trivium.json keeps `about` too.

    `begin` is given the model before its rows are read.
    """
    with world() as ranks:
        model = start_model(recipe)
        tokenizer = model.tokenizer
        assert tokenizer is not None
        length = row_length(recipe, model)
        if begin is not None and ranks.first:
            begin(model, recipe)
        rows, valid = open_rows(recipe, model, length)
        if recipe.lora is not None:
            torch.manual_seed(recipe.seed)
            adapt(model.transformer, recipe.lora)
        transformer = model.transformer.to(ranks.device).train()
        loader = Loader(
            rows, recipe.step_rows(length), recipe.micro_rows, tokenizer.vocabulary.pad,
            recipe.seed, ranks.rank, ranks.size,
        )  # fmt: skip
        steps = count_steps(recipe, loader)
        score = None
        if valid is not None:
            score = partial(score_rows, transformer, *valid, tokenizer, recipe, ranks)
        facts = {"tokenizer": tokenizer.identity, "data": data_identity(recipe)}
        kernels = chosen_kernels(transformer, loader, ranks)
        with open_run(folder, recipe, facts, resume, writes=ranks.first, kernels=kernels):
            last = train(transformer, loader, recipe, steps, folder, ranks, score)
            if ranks.first:
                if recipe.lora is not None:
                    keep_adapter(folder / "adapter", model, recipe)
                model.record = {"recipe": dump(recipe), **facts, "result": last, **(about or {})}
                if recipe.objective.reads == "records":
                    by_objective(recipe.objective).finish(model, bare_model(recipe).transformer)
                model.save(folder / "model")
    return folder / "model"


def chosen_kernels(transformer: Transformer, loader: Loader, ranks: World) -> dict[str, str]:
    """What computes attention in the first rows, and why; said, and noted in the run folder."""
    first = place(loader.step(0)[0])
    streams = {name: side for name, side in (("encoder", first.enc), ("decoder", first.dec)) if side is not None}
    places = {name: where(side) for name, side in streams.items()}
    plain = [name for name, side in streams.items() if side.plain]
    found = explain(transformer.config, places, plain, ranks.device.type)
    for layers, choice in found.items():
        say(f"attention of {layers}: {choice}")
    return found


def keep_adapter(folder: Path, model: api.Model, recipe: Recipe) -> None:
    """Save what was learned beside the model it was learned for, and merge it in."""
    try:
        model.save_adapter(folder, Path(recipe.init).resolve() if recipe.init else "")
    except ModelError as refused:
        say(f"the adapter is kept merged alone: {refused}")
    merge(model.transformer)


def start_model(recipe: Recipe) -> api.Model:
    """The model a run begins with, with the head of its task."""
    model = bare_model(recipe)
    recipe.objective.fits(model.config.family)
    if recipe.objective.reads == "records":
        torch.manual_seed(recipe.seed)
        by_objective(recipe.objective).equip(model, recipe)
    return model


def bare_model(recipe: Recipe) -> api.Model:
    """The model that `init` names, or a fresh one with the tokenizer of its data folder."""
    if recipe.init is not None:
        model = api.load(recipe.init)
        if model.tokenizer is None:
            raise DataError(f"{recipe.init}: has no tokenizer.json; training needs one")
        return dressed(model, recipe)
    assert recipe.model is not None
    tokenizer = Tokenizer.load(Path(recipe.data.path[0]) / "tokenizer") if reads_folder(recipe) else None
    if tokenizer is None:
        raise DataError(f"{recipe.data.path[0]}: a fresh model takes its tokenizer from a data folder; give `init` "
                        "to train on rows")  # fmt: skip
    if tokenizer.vocabulary.size != recipe.model.vocab_size:
        raise ConfigError(f"model.vocab_size: expected the tokenizer's {tokenizer.vocabulary.size}, "
                          f"found {recipe.model.vocab_size}; leave it out to take the tokenizer's")  # fmt: skip
    torch.manual_seed(recipe.seed)
    return api.Model(Transformer(recipe.model), tokenizer)


def dressed(model: api.Model, recipe: Recipe) -> api.Model:
    """The model with the tokens and the template that the recipe asks for.

    Who learns conversations keeps the template in the folder, so that stock tools render them alike: the folder's own,
    else ours where the tokenizer has our markers, else plain text, or for a model with an encoder the bare text.
    """
    tokenizer = model.tokenizer
    assert tokenizer is not None
    longer = extend(tokenizer, recipe.tokens)
    if longer.size > tokenizer.size:
        size = max(longer.size, model.config.vocab_size)
        model.transformer = resize(model.transformer, size, tokenizer.size).eval()
        say(f"{longer.size - tokenizer.size} tokens are new: {longer.size:,} in all, {size:,} rows in the table")
    if recipe.template is not None:
        longer = dress(longer, recipe.template)
    elif isinstance(recipe.objective, Instruct) and longer.chat_template is None:
        bare = model.config.family == "encoder_decoder" and any(name not in longer for name in Markers.needs)
        begin = bool(model.layout().frame.before) if bare else True
        text = Bare(begin=begin).source if bare else source(longer)
        longer = Tokenizer(longer.json, longer.config, text)
    if longer is not tokenizer:
        model.tokenizer = longer
        model.stops = tuple(dict.fromkeys((*model.stops, *stop_ids(longer))))
    return model


def reads_folder(recipe: Recipe) -> bool:
    """Whether the recipe reads documents from a data folder, which must then be there."""
    if recipe.objective.reads == "documents":
        for path in recipe.data.path:
            read_manifest(path)
        return True
    return False


def row_length(recipe: Recipe, model: api.Model) -> int:
    """Tokens in a row: as asked, else the model's context."""
    length = recipe.data.length or model.config.context
    if model.config.limit is not None and length > model.config.limit:
        raise ConfigError(f"data.length: expected at most the model's {model.config.limit} positions, found {length}")
    return length


def open_rows(recipe: Recipe, model: api.Model, length: int) -> tuple[Rows, tuple[Rows, int | None] | None]:
    """The rows to train on, and those to score on with the bytes of text they stand for, if there are any."""
    data, objective, tokenizer = recipe.data, recipe.objective, model.tokenizer
    assert tokenizer is not None
    if objective.reads != "documents":
        rows = supervised_rows(recipe, model, data.path, length)
        return rows, (supervised_rows(recipe, model, data.valid, length), None) if data.valid else None
    train, valid = ([Corpus(path, split) for path in data.path] for split in ("train", "valid"))
    for corpus in train:
        if corpus.manifest["tokenizer"] != tokenizer.identity:
            raise DataError(f"{corpus.folder}: was encoded with another tokenizer than the model's; prepare it again "
                            "with `--tokenizer` and the model folder")  # fmt: skip
    make = partial(
        DocumentRows, objective=objective, vocabulary=tokenizer.vocabulary, length=length, packing=data.packing,
        isolate=data.isolate,
    )  # fmt: skip
    valid = [corpus for corpus in valid if len(corpus)]
    text_bytes = sum(corpus.bytes for corpus in valid) if objective.covers else None
    return blend(train, make, recipe.seed, data.weights), (
        blend(valid, make, recipe.seed),
        text_bytes,
    ) if valid else None


def blend(corpora: Sequence[Corpus], make: Callable[..., Rows], seed: int, weights: Sequence[float] = ()) -> Rows:
    """The rows of one corpus, or of several by weight, each with noise of its own."""
    if len(corpora) == 1:
        return make(corpora[0], seed=seed)
    return Mixture([make(corpus, seed=mix(seed, at)) for at, corpus in enumerate(corpora)], weights, seed)


def supervised_rows(
    recipe: Recipe, model: api.Model, paths: Sequence[str], length: int, notes: Counter[str] | None = None
) -> Rows:
    """Rows of files, as conversations or as the records of a task; what was left out is said, and kept in `notes`."""
    data, objective, shortened = recipe.data, recipe.objective, Counter[str]()
    rows: Rows
    if isinstance(objective, Instruct):
        start = model.layout().start if model.config.family == "encoder_decoder" else None
        assert model.tokenizer is not None
        rows, counts = conversation_rows(
            paths, model.tokenizer, objective, length, recipe.seed, data.packing, start, data.rows, data.too_long,
            shortened,
        )  # fmt: skip
    else:
        rows, counts = by_objective(objective).open(model, paths, recipe, length)
        cut = counts.pop(CUT, 0)
        shortened.update({CUT: cut} if cut else {})
    for what, reasons in (("dropped", counts), ("shortened", shortened)):
        for reason, count in reasons.items():
            say(f"{what} {count:,} rows: {reason}")
            if notes is not None:
                notes[f"{what}: {reason}"] += count
    return rows


def count_steps(recipe: Recipe, loader: Loader) -> int:
    """How many optimizer steps the budget buys; one in epochs ends exactly with its last row."""
    if recipe.budget_steps is not None:
        return recipe.budget_steps
    if recipe.budget_epochs is not None:
        loader.samples = max(1, loader.epochs(recipe.budget_epochs))
        return -(-loader.samples // loader.step_rows)
    assert recipe.budget_tokens is not None
    return max(1, recipe.budget_tokens // recipe.batch_tokens)


def score_rows(
    transformer: Transformer, rows: Rows, text_bytes: int | None, tokenizer: Tokenizer, recipe: Recipe, ranks: World
) -> Score:
    """Evaluate on held-out rows."""
    vocabulary = tokenizer.vocabulary
    batches = in_order(rows, recipe.micro_rows, vocabulary.pad, ranks.rank, ranks.size)
    precision = autocast_dtype(recipe, ranks.device)
    kind, terms = recipe.objective.loss, recipe.loss.replace(label_smoothing=0.0, z_loss=0.0)
    return evaluate(transformer, batches, ranks, text_bytes, vocabulary.special, precision, kind, terms)


def data_identity(recipe: Recipe) -> str:
    """What the run was trained on: the hash of its manifest, or of its files."""
    if recipe.objective.reads == "documents":
        found = [str(read_manifest(path)["dataset_id"]) for path in recipe.data.path]
        return found[0] if len(found) == 1 else fingerprint([found, dump(recipe.data.weights)])
    files: list[Any] = []
    for path in map(Path, recipe.data.path):
        if not path.is_file():
            raise DataError(f"{path}: no such file of rows")
        files.append([path.name, sha256(path)])
    return fingerprint(files)
