"""generation_config.json: where a text begins and ends, and how its ids are chosen where nobody says otherwise.

A folder without the file may say the same in its config.json. What we have no words for is told by name.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from trivium.base.errors import ModelError
from trivium.interop.keys import GENERATION
from trivium.model.config import ModelConfig
from trivium.model.layer.head import LM
from trivium.token.template import stop_ids
from trivium.token.tokenizer import Tokenizer

FILE, START = "generation_config.json", "decoder_start_token_id"
NOWHERE = -1
"""The start of an encoder-decoder whose files do not say with which id its decoder begins: it cannot be asked."""
UNSAID = f"no file says with which id its decoder begins; set model.start, or {START} in its {FILE}"
FORCED = {"first": "forced_bos_token_id", "last": "forced_eos_token_id"}
"""Our names of the forced ids -> their keys."""


class _Option(NamedTuple):
    """Our name of a key, which values it may have, and the values that ask for nothing."""

    name: str
    fits: Callable[[Any], bool]
    neutral: tuple[Any, ...] = ()


def _whole(least: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and value >= least


def _number(low: float, high: float) -> Callable[[Any], bool]:
    return lambda value: type(value) in (int, float) and low < value <= high


ALWAYS = {
    "repetition_penalty": _Option("repetition_penalty", _number(0, 1e9), (1.0,)),
    "no_repeat_ngram_size": _Option("no_repeat_ngram", _whole(0), (0,)),
    "min_new_tokens": _Option("min_new_tokens", _whole(0), (0,)),
    "max_new_tokens": _Option("max_new_tokens", _whole(1)),
}
BEAMS = {
    "num_beams": _Option("num_beams", _whole(1), (1,)),
    "length_penalty": _Option("length_penalty", _number(-100, 100), (1.0,)),
    "early_stopping": _Option("early_stopping", lambda value: type(value) is bool, (False,)),
}
"""Those that count beside `num_beams` above 1."""
SAMPLED = {
    "temperature": _Option("temperature", _number(0, 100), (1.0,)),
    "top_k": _Option("top_k", _whole(1), (0, 50)),
    "top_p": _Option("top_p", _number(0, 1), (1.0,)),
    "min_p": _Option("min_p", lambda value: value == 0 or _number(0, 1)(value), (0,)),
}
"""Those that count beside `do_sample`; 50 is the stock library's own top_k."""
ONE = {"num_beam_groups", "num_return_sequences", "typical_p", "top_h", "encoder_repetition_penalty"}
"""Other keys of which 1 asks for nothing."""
LENGTHS = {"min_length": "min_new_tokens", "max_length": "max_new_tokens"}
"""Lengths of a whole text -> of what is new: a decoder beside an encoder begins with one id."""
SILENT = {
    *("bos_token_id", "eos_token_id", "pad_token_id", "sep_token_id", "cls_token_id", "mask_token_id", "unk_token_id"),
    *(START, *FORCED.values(), "transformers_version", "_from_model_config", "use_cache", "do_sample", "prefix"),
    *("cache_implementation", "cache_config", "max_cache_len", "compile_config", "disable_compile", "low_memory"),
}
"""Keys that are read elsewhere, or that cannot change a text."""


def defaults(tree: Mapping[str, Any], config: ModelConfig, whole: bool) -> tuple[dict[str, Any], list[str]]:
    """Return the options that a file states, in the words of `Model.request`, and `key value` of what is not used.

    `whole` tells generation_config.json from a config.json, whose other keys are the model's.
    """
    beams, sampled = (tree.get("num_beams") or 1) != 1, tree.get("do_sample") is True
    found: dict[str, Any] = {"temperature": 1.0} if sampled and not beams else {}
    strange = ["do_sample true (beside num_beams)"] if sampled and beams else []
    for key, value in tree.items():
        if key in SILENT or value is None or not (whole or key in GENERATION):
            continue
        if config.cross and key in LENGTHS and _whole(0)(value):
            if value > 1:
                found.setdefault(LENGTHS[key], value - 1)
            continue
        option, missing = (BEAMS | SAMPLED | ALWAYS).get(key), ""
        if key in BEAMS and not beams:
            missing = " (without num_beams)"
        elif key in SAMPLED and (beams or not sampled):
            missing = " (without do_sample)"
        if option is None or not option.fits(value) or missing:
            if not _asks_nothing(key, value, config):
                strange.append(f"{key} {json.dumps(value):.40}{missing}")
        elif value not in option.neutral or key == "temperature":
            found[option.name] = value
    return found, sorted(strange)


def _asks_nothing(key: str, value: Any, config: ModelConfig) -> bool:
    """Return whether a value of a key that is not used would change nothing."""
    if (option := (BEAMS | SAMPLED | ALWAYS).get(key)) is not None:
        return value in option.neutral
    if key == "max_length":  # of a prompt and its text
        return bool(_whole(1)(value)) and value >= config.context
    return value in (False, 0, [], {}) or (value == 1 and key in ONE)


def written(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of generation_config.json that state our options."""
    names = {option.name: key for key, option in {**ALWAYS, **BEAMS, **SAMPLED}.items()}
    found = {names[name]: value for name, value in options.items()}
    return {**found, "do_sample": True} if "temperature" in options else found


def forced(tree: Mapping[str, Any], place: Path, config: ModelConfig) -> dict[str, int]:
    """Return the ids that a text must begin and end with, by our names."""
    return {name: index for name, key in FORCED.items() if (index := _index(tree, key, place, config)) is not None}


def start(
    folder: Path, tree: Mapping[str, Any], place: Path, asked: Mapping[str, Any], config: ModelConfig
) -> int | None:
    """Return the first id of a decoder beside an encoder: a stock class that writes asks one file, `asked`, first.

    It takes BOS where no start is given, as the stock class does. Before a head config.json alone counts.
    """
    files = [(place, asked, START), (place, asked, "bos_token_id")] if isinstance(config.head, LM) else []
    if not config.cross:
        return None
    found = (_index(some, key, file, config) for file, some, key in [*files, (folder / "config.json", tree, START)])
    return next((index for index in found if index is not None), NOWHERE)


def _index(tree: Mapping[str, Any], key: str, file: Path, config: ModelConfig) -> int | None:
    """Return the id that a file gives, alone or in a list, or None; an index that is no id is a ModelError."""
    index = tree.get(key)
    index = index[0] if isinstance(index, list) and len(index) == 1 else index
    if index is not None and (type(index) is not int or not 0 <= index < config.vocab_size):
        raise ModelError(f"{file}: {key}: expected one id from 0 to {config.vocab_size - 1}, found {index!r}")
    return index


def stops(tree: Mapping[str, Any], said: Mapping[str, Any], tokenizer: Tokenizer | None) -> tuple[int, ...]:
    """Return each id that some file of the folder calls an end of text."""
    found: list[Any] = []
    for source in (said.get("eos_token_id"), tree.get("eos_token_id")):
        found += source if isinstance(source, list) else [source]
    found += stop_ids(tokenizer) if tokenizer else ()
    return tuple(dict.fromkeys(i for i in found if isinstance(i, int)))
