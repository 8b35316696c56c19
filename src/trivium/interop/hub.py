"""Read and write model folders; nothing else does.

A model folder is a Hugging Face folder plus trivium.json. Where a stock class computes what the model computes, the
folder is that class's, name for name, and stock tools load it as it is. Where none does, the weights keep our names
and trivium.json alone describes them, with the reason. Nothing here trains, generates or runs a folder's code.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from trivium.base import files, plugin
from trivium.base.config import classes, dump, parse
from trivium.base.errors import ConfigError, ModelError
from trivium.base.folder import hint, holds, is_hub, kind_of, model_folder
from trivium.base.integrity import STAMP
from trivium.base.log import warn
from trivium.base.version import FORMAT, readable
from trivium.interop import families, rules, sentence
from trivium.interop.adapter.load import base_of, load_adapter
from trivium.interop.adapter.save import CONFIG
from trivium.interop.beside import generation, inputs
from trivium.interop.beside.generation import FORCED, NOWHERE, START
from trivium.interop.card.card import card
from trivium.interop.families import Family, by_config, difference, stock
from trivium.interop.pair import whole
from trivium.interop.weights import check, stored, tensors
from trivium.model.config import ModelConfig
from trivium.model.layer.head import LM, Head
from trivium.model.layer.score import LabelHead
from trivium.model.transformer import Transformer
from trivium.model.vectors import Vectors
from trivium.model.weights import collect
from trivium.token.frame import default_frame, stated
from trivium.token.template import framed, stop_ids
from trivium.token.tokenizer import Tokenizer

OURS = ("format", "model", "stock", "reasons", "parameters", check.HASHES)
"""The keys of trivium.json that `save` makes anew; the others are a record."""
OWN = "trivium"
"""The model_type of a folder that no stock class can load."""
WRITTEN = re.compile(
    r"config\.json|generation_config\.json|trivium\.json|parity\.json|README\.md|model.*\.safetensors(\.index\.json)?|"
    r"preprocessor_config\.json|tokenizer\.json|tokenizer_config\.json|special_tokens_map\.json|chat_template\.jinja|"
    r"additional_chat_templates|"
    r"modules\.json|sentence_bert_config\.json|config_sentence_transformers\.json|\d_(Pooling|Dense|Normalize)|"
    + re.escape(STAMP)
)
"""The files of a model folder. `save` never replaces a folder that holds any other."""


@dataclass(frozen=True)
class Folder:
    """What a model folder holds."""

    transformer: Transformer
    tokenizer: Tokenizer | None = None
    stop_ids: tuple[int, ...] = ()
    """The ids that end a generated text."""
    start: int | None = None
    """The first id of a decoder beside an encoder, if a file gives it; see `generation.NOWHERE`."""
    forced: dict[str, int] = field(default_factory=dict)
    """The ids that generation must write first and last, if a file gives them: `first`, `last`."""
    record: dict[str, Any] = field(default_factory=dict)
    """The keys of trivium.json besides the model: recipe, data, evaluation."""
    defaults: dict[str, Any] = field(default_factory=dict)
    """The options of generation that hold where nobody says otherwise, in the words of `Model.request`."""

    @property
    def config(self) -> ModelConfig:
        """Return the config of the model."""
        return self.transformer.config


def save(folder: str | Path, model: Folder) -> Path:
    """Write a model folder, whole or not at all, in place of an older one.

    A start of None is that of the stock class, or pad. The record is kept in trivium.json; its `name` and `evaluation`
    stand in the model card too. A folder that holds anything but a model is a ModelError.
    """
    folder = Path(folder).resolve()
    if folder.exists() and not folder.is_dir():
        raise ModelError(f"{folder}: expected a folder, found a file")
    if folder.is_dir() and (other := next((f for f in folder.iterdir() if not WRITTEN.fullmatch(f.name)), None)):
        raise ModelError(f"{folder}: holds {other.name}, which is no part of a model; choose another folder")
    config, tokenizer = model.config, model.tokenizer
    if tokenizer:
        inputs.spare(tokenizer, config, folder)
    vocabulary = tokenizer.vocabulary if tokenizer else None
    plain = sentence.bare(config, vocabulary)
    family, reasons = stock(plain, vocabulary)
    state = check.sound(collect(model.transformer), folder, "nothing was written")
    vectors = sentence.vectors_of(model.record, config)
    after = {name: tensor for name, tensor in state.items() if plain is not config and name.startswith(sentence.DENSE)}
    dtype = str(next(iter(state.values())).dtype).removeprefix("torch.")
    about = _about(model.record, config if after else plain)
    if vectors:
        about["vectors"] = dump(vectors)
    about |= {"parameters": sum(tensor.numel() for tensor in state.values()), "stock": None}
    tree: dict[str, Any] = {"architectures": ["Transformer"], "model_type": OWN, "vocab_size": config.vocab_size}
    if family:
        tree = families.write(family, plain, vocabulary)
        state = {name: tensor for name, tensor in state.items() if name not in after}
        state = rules.to_theirs(state, families.rules(family, plain))
        about["stock"] = tree["architectures"][0]
    else:
        about["reasons"] = reasons
    asked = _generation(model, tree)
    if model.start == NOWHERE:
        tree.pop(START, None)
    tree |= {key: asked[key] for key in (START, *FORCED.values()) if key in tree and key in asked}
    with files.publishing(folder) as new:
        tensors.write(new, state)
        files.write_json(new / "config.json", {**tree, "dtype": dtype, "torch_dtype": dtype})
        if config.decoder and isinstance(config.head, LM):
            files.write_json(new / generation.FILE, asked)
        if tokenizer:
            kept = tokenizer.limit if isinstance(config.head, LabelHead) else None
            tokenizer.save(new, model_max_length=min(kept or config.context, config.context))
        files.write_text(new / "README.md", card(config, about, tokenizer is not None and framed(tokenizer)))
        if family and vectors:
            sentence.write(new, config, vectors, after)
        inputs.write_processor(new, config, about)
        files.write_json(new / "trivium.json", {**about, check.HASHES: check.hashes(new)})
    return folder


def _about(record: Mapping[str, Any], config: ModelConfig) -> dict[str, Any]:
    """Return a record with the config. It names the files of own kinds, and never says where they lie."""
    about: dict[str, Any] = {**record, "format": FORMAT, "model": dump(config)}
    if own := [*record.get("imports", []), *plugin.needed(classes(config))]:
        about["imports"] = list({source["file"]: source for source in own}.values())
    if paths := record.get("recipe", {}).get("imports"):
        about["recipe"] = {**record["recipe"], "imports": [Path(path).name for path in paths]}
    return about


def _generation(model: Folder, tree: Mapping[str, Any]) -> dict[str, Any]:
    found = {FORCED[place]: index for place, index in model.forced.items()} | generation.written(model.defaults)
    tokenizer = model.tokenizer
    if model.config.cross and model.start != NOWHERE:
        pad = tokenizer.vocabulary.pad if tokenizer else 0
        found[START] = next(start for start in (model.start, tree.get(START), pad) if start is not None)
    if tokenizer:
        found |= {"bos_token_id": tokenizer.vocabulary.bos, "pad_token_id": tokenizer.vocabulary.pad}
        found["eos_token_id"] = list(stop_ids(tokenizer)) or None
    return found


def load(folder: str | Path, dtype: torch.dtype | None = torch.float32) -> Folder:
    """Read a model folder or a model of the hub (`hf:OWNER/NAME`), of any family; floating weights become `dtype`.

    A file or key that is missing, truncated, unknown or of the wrong shape is one ModelError that names it. A folder
    with an adapter is its base model with the adapter added, and the adapter's tokenizer if it has one.
    """
    name, folder = folder, model_folder(folder)
    if not folder.exists():
        raise ModelError(f"{folder}: no such model folder{hint(name)}")
    if (what := kind_of(folder)) in ("a file", "a data folder"):
        made = f"; `trivium train RECIPE data.path={folder}` makes one of it" if what == "a data folder" else ""
        raise ModelError(f"{folder}: expected a model folder, found {what}{made}")
    if what in ("a folder", "a tokenizer folder", "a run folder") and not (folder / sentence.MODULES).is_file():
        raise ModelError(
            f"{folder}: expected a model folder (config.json, *.safetensors, tokenizer.json), found {holds(folder)}"
        )
    if not (folder / CONFIG).is_file():
        return _read(folder, dtype)
    found = _read(model_folder(base_of(folder, fetched=is_hub(name))), dtype)
    found = replace(found, transformer=load_adapter(folder, found.transformer))
    check.verify(folder, found.transformer)
    if (tokenizer := inputs.tokenizer_of(folder, found.config)) is None:
        return found
    stops = generation.stops({}, {"eos_token_id": [*found.stop_ids]}, tokenizer)
    return replace(found, tokenizer=tokenizer, stop_ids=stops)


def _read(folder: Path, dtype: torch.dtype | None) -> Folder:
    told = sentence.read(folder, dtype)
    folder /= told.body
    tree, about = _object(folder / "config.json") or {}, _object(folder / "trivium.json", optional=True) or {}
    config, family = _describe(folder, {**tree, **told.keys}, about, told.head)
    tokenizer = inputs.tokenizer_of(folder, config)
    transformer = stored.model(folder, tree, config, family, dtype, told.state)
    check.verify(folder, transformer)
    record = {key: value for key, value in about.items() if key not in OURS}
    if told.vectors or "pool" in record:
        record["vectors"] = dump(told.vectors or Vectors.of(record))
        record.pop("pool", None)
    inputs.read_processor(folder, config, record)
    tree, said = whole(tree), _object(folder / generation.FILE, optional=True)
    place, asked = (folder / generation.FILE, said) if said is not None else (folder / "config.json", tree)
    forced, start = generation.forced(asked, place, config), generation.start(folder, tree, place, asked, config)
    stops = generation.stops(tree, said or {}, tokenizer)
    defaults, strange = generation.defaults(asked, config, whole=said is not None)
    if strange and config.decoder is not None and isinstance(config.head, LM):
        warn(f"{place}: {', '.join(strange)}: options of generation that are not used; {len(strange)} in all")
    if tokenizer and about.get("format", FORMAT) < 2:  # then the usual frame stood around every text
        pad_starts = start is None or start == tokenizer.vocabulary.pad
        types = bool(getattr(config.embed, "types", 0))
        tokenizer = stated(tokenizer, default_frame(tokenizer, config.family, pad_starts, types))
    return Folder(transformer.eval(), tokenizer, stops, start, forced, record, defaults)


def _object(file: Path, optional: bool = False) -> dict[str, Any] | None:
    """Return what a JSON file holds, which must be an object; None for an optional file that is not there."""
    if optional and not file.is_file():
        return None
    found = files.read_json(file, ModelError)
    if not isinstance(found, dict):
        raise ModelError(f"{file}: expected an object, found {type(found).__name__}")
    return found


def _describe(
    folder: Path, tree: dict[str, Any], about: dict[str, Any], head: Head | None = None
) -> tuple[ModelConfig, Family | None]:
    """Return the config of a folder and its family; `head` is that of files of vectors.

    trivium.json says more than config.json (dropout, kernel); where both say something, they must agree.
    """
    ours, theirs = folder / "trivium.json", folder / "config.json"
    own = tree.get("model_type") == OWN
    if own and not about:
        raise ModelError(f"{ours}: no such file, and config.json says the model is described there")
    if about:
        readable(about, ours, ModelError)
    if about and not isinstance(about.get("model"), dict):
        raise ModelError(f"{ours}: model: expected an object, found {about.get('model')!r}; the file is damaged")
    try:
        for text in plugin.match(about.get("imports", [])):
            warn(f"{ours}: {text}")
        written = parse(ModelConfig, about["model"], "model") if about else None
    except ConfigError as wrong:
        raise ModelError(f"{ours}: {_line(wrong)}") from wrong
    if own and written:
        return written, None
    try:
        family = by_config(tree)
        config = families.read(family, tree)
        config = config if head is None else config.model_copy(update={"head": head})
    except (ModelError, ConfigError, TypeError, ValueError) as wrong:
        raise ModelError(f"{theirs}: {_line(wrong)}") from wrong
    if strange := families.unknown(family, tree):
        warn(f"{theirs}: {rules.listed(strange)}: not known here, and not read; {len(strange)} in all")
    if not about and (rates := families.apart(family, tree)):
        warn(f"{theirs}: {rules.listed(rates)}: dropouts that training has not apart here; {len(rates)} in all")
    if written and (found := difference(written, config)):
        name, a, b = found
        raise ModelError(f"{ours}: {name} is {a}, but config.json says {b}; delete the file that is out of date")
    return written or config, family


def _line(error: Exception) -> str:
    return "; ".join(str(error).splitlines())
