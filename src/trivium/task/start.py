"""The model a run starts with: loaded or fresh, with the head, tokens and chat template of its recipe."""

from pathlib import Path

import torch

from trivium import api
from trivium.base.errors import ConfigError, DataError
from trivium.base.log import say
from trivium.base.types import Vocabulary
from trivium.data.shards import read_manifest
from trivium.infer.read import processor_of
from trivium.model.config import ModelConfig
from trivium.model.device import memory_bytes, pick
from trivium.model.size import training_bytes
from trivium.model.transformer import Transformer
from trivium.model.weights import resize
from trivium.objective.instruct import Instruct
from trivium.objective.objective import Objective, start_id
from trivium.task.task import by_objective
from trivium.token.extend import extend
from trivium.token.frame import default_frame, stated
from trivium.token.template import Bare, Plain, with_template
from trivium.token.template import Trivium as Markers
from trivium.token.tokenizer import Tokenizer
from trivium.train.recipe import Recipe, tokenizer_in


def start_model(recipe: Recipe) -> api.Model:
    """Return the model a run starts with, with the head of its task; an error says what does not fit together."""
    model = bare_model(recipe)
    recipe.objective.fits(model.config.family, model.config.pictures is not None)
    if recipe.objective.reads == "records":
        torch.manual_seed(recipe.seed)
        by_objective(recipe.objective).equip(model, recipe)
    return model


def bare_model(recipe: Recipe) -> api.Model:
    """Return the model that `init` names, or a fresh one with the tokenizer of its data folder, or of `tokenizer`."""
    if recipe.init is not None:
        return seeing(dressed(api.load(recipe.init), recipe), recipe)
    assert recipe.model is not None
    if recipe.model.vocab_size == 0:  # it reads pictures alone
        affordable(recipe, recipe.model)
        torch.manual_seed(recipe.seed)
        return seeing(api.Model(Transformer(recipe.model)), recipe)
    tokenizer = fresh_tokenizer(recipe)
    if tokenizer.vocabulary.size != recipe.model.vocab_size:
        raise ConfigError(
            f"model.vocab_size: expected the tokenizer's {tokenizer.vocabulary.size}, "
            f"found {recipe.model.vocab_size}; leave it out to take the tokenizer's"
        )
    affordable(recipe, recipe.model)
    torch.manual_seed(recipe.seed)
    model = api.Model(Transformer(recipe.model), tokenizer, start=_start(recipe.objective, tokenizer.vocabulary))
    before, _ = recipe.objective.frame(tokenizer.vocabulary)
    layout = model.layout()
    usual = default_frame(tokenizer, layout.family, layout.start == tokenizer.vocabulary.pad, layout.types)
    model.tokenizer = stated(tokenizer, usual._replace(before=before))  # a prompt begins as the rows of training do
    return seeing(model, recipe)


def fresh_tokenizer(recipe: Recipe) -> Tokenizer:
    """Return the tokenizer of a fresh model: that of its data folder, or of `tokenizer` where it is trained on rows."""
    first = recipe.data.path[0]
    if recipe.objective.reads == "documents":
        for path in recipe.data.path:
            read_manifest(path)  # raises DataError for anything but a data folder
        return Tokenizer.load(Path(first) / "tokenizer")
    if recipe.tokenizer is None:
        raise DataError(
            f"{first}: a fresh model takes its tokenizer from a data folder; "
            "to train on rows, give `init`, or `tokenizer` (a folder with one)"
        )
    return tokenizer_in(recipe.tokenizer)


def seeing(model: api.Model, recipe: Recipe) -> api.Model:
    """Give a model the processor of the recipe; a ConfigError says that it reads no pictures."""
    if recipe.image is not None:
        if model.config.pictures is None:
            raise ConfigError("image: the model reads no pictures; leave it out")
        model.processor = processor_of(model.config, recipe.image.model_dump(exclude_unset=True))
    return model


def _start(objective: Objective, vocabulary: Vocabulary) -> int | None:
    """Return the first id of a decoder beside an encoder, as the objective trains it."""
    return start_id(objective.start, vocabulary) if hasattr(objective, "start") else None


def affordable(recipe: Recipe, config: ModelConfig) -> None:
    """Raise ConfigError where training a fresh model needs more memory than there is, before anything is allocated."""
    length, device = fitting(recipe.data.length, config, "data.length"), pick()
    rows = min(recipe.micro_rows or 1, recipe.step_rows(length))
    need = training_bytes(config, length, rows, getattr(recipe.loss, "chunk_rows", 0), recipe.recompute)
    if (have := memory_bytes(device)) is not None and need > have:
        raise ConfigError(
            f"model: training needs about {need / 2**30:,.0f} GiB, and this machine has {have / 2**30:,.0f} GiB "
            f"({device.type}); make the model, micro_rows or data.length smaller, or recompute larger"
        )


def dressed(model: api.Model, recipe: Recipe) -> api.Model:
    """Add the tokens and the chat template of the recipe to a model.

    A model that learns conversations keeps their template in its folder, so that stock tools render them the same way:
    the folder's own; else `trivium` if the tokenizer has its markers; else `plain`, or `bare` for an encoder-decoder,
    whose texts stand between the special tokens that the tokenizer adds.
    """
    if model.config.vocab_size == 0:
        return model
    tokenizer = model.tokenizer
    longer = extend(tokenizer, recipe.tokens)
    known = min(tokenizer.size, model.config.vocab_size)
    if longer.size > known:
        size = max(longer.size, model.config.vocab_size)
        model.transformer = resize(model.transformer, size, known).eval()
        say(f"added {longer.size - known} tokens: {longer.size:,} in all, {size:,} rows in the embedding table")
    template = recipe.template
    if template is None and isinstance(recipe.objective, Instruct) and longer.chat_template is None:
        marked = all(name in longer for name in Markers.needs)
        template = Markers() if marked else Bare() if model.config.family == "encoder_decoder" else Plain()
    if isinstance(template, Bare):
        frame = model.layout().frame
        ends = {"before": frame.before, "after": frame.after or frame.between}
        own = {name: "".join(map(longer.token, found)) for name, found in ends.items()}
        template = template.replace(**{name: some for name, some in own.items() if getattr(template, name) is None})
    if template is not None:
        longer = with_template(longer, template)
    if longer is not tokenizer:
        model.tokenizer = longer
    return model


def row_length(recipe: Recipe, model: api.Model) -> int:
    """Return the tokens in a row: `data.length`, else the context, and at least the patches of a whole picture.

    ConfigError where the context is shorter.
    """
    length = fitting(recipe.data.length, model.config, "data.length")
    return length if model.config.pictures is None else max(length, model.processor.longest)


def fitting(length: int | None, config: ModelConfig, name: str) -> int:
    """Return a length in tokens, None for the context; a ConfigError calls it `name` where the context is shorter."""
    most = min(config.context, config.limit or config.context)
    if length is not None and length > most:
        raise ConfigError(f"{name}: expected at most the model's context of {most:,}, found {length:,}")
    return length or most
