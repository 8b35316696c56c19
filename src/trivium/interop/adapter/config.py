"""adapter_config.json of peft: which modules it names, how a matrix changes, and what we do not compute.

    M <- base(M) + scale B A          scale = alpha / r, or alpha / sqrt(r) (Kalajdzievski 2023, arXiv:2312.03732)
    M <- m M / |M|                    DoRA: each row of M gets the length m (Liu et al. 2024, arXiv:2402.09353)

PiSSA (Meng et al. 2024, arXiv:2404.02948) and OLoRA (Buyukakyuz 2024, arXiv:2406.01775) train beside a base from which
their first B A was taken: `base` takes it again. Knows no model and no names of weights.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from trivium.base import files
from trivium.base.config import Config, Seq, Tiled, parse
from trivium.base.errors import ConfigError, ModelError

T = TypeVar("T")
Names = str | Seq[str] | None
SILENT = {
    *("base_model_name_or_path", "auto_mapping", "base_model_class", "parent_library", "revision", "peft_version"),
    *("peft_type", "task_type", "inference_mode", "lora_dropout", "bias", "lora_bias", "fan_in_fan_out"),
    *("eva_config", "corda_config", "loftq_config", "lora_ga_config", "qalora_group_size", "runtime_config"),
    "megatron_core",
}
"""Keys that leave the numbers alone, or that the weights and `init_lora_weights` tell already."""
STARTS = {True, False, "gaussian", "eva", "orthogonal", "mica", "pissa", "olora"}
"""The ways to begin of which we know what they do to the base: nothing, but for the last two."""


class PeftConfig(Config):
    """The keys of adapter_config.json that say what the weights beside it do."""

    r: int = Field(8, gt=0)
    rank_pattern: dict[str, int] | None = None
    lora_alpha: float = Field(8, ge=-1e6, le=1e6)
    alpha_pattern: dict[str, float] | None = None
    use_rslora: bool = False
    use_dora: bool = False
    init_lora_weights: bool | str = True
    target_modules: Names = None
    exclude_modules: Names = None
    layers_to_transform: Tiled[int] = ()
    layers_pattern: Tiled[str] = ()
    modules_to_save: Seq[str] | None = None
    trainable_token_indices: Seq[int] | dict[str, Seq[int]] | None = None
    ensure_weight_tying: bool = False

    def targets(self, name: str) -> bool:
        """Return whether a module of this name has an adapter."""
        if _named(self.exclude_modules, name) or self.saves(name):
            return False
        if self.target_modules in (None, "all-linear"):
            return True
        named, whole = _named(self.target_modules, name), self.target_modules
        if not named or not self.layers_to_transform or (isinstance(whole, tuple) and name in whole):
            return named
        stacks = filter(None, self.layers_pattern)
        forms = [rf"(?:^|.*?\.){stack}\.(\d+)\." for stack in stacks] or [r".*?\.[^.]*\.(\d+)\."]
        found = next(filter(None, (re.match(form, name) for form in forms)), None)
        return found is not None and int(found[1]) in self.layers_to_transform

    def saves(self, name: str) -> bool:
        """Return whether a module of this name has weights of its own beside the adapters."""
        return any(re.match(rf"(^|.*\.){one}($|\..*)", name) for one in self.modules_to_save or ())

    def tokens(self, name: str) -> tuple[int, ...]:
        """Return the rows of the table `name` that have numbers of their own."""
        found = self.trainable_token_indices or ()
        if isinstance(found, Mapping):
            found = next((rows for table, rows in found.items() if f".{name}".endswith(f".{table}")), ())
        return tuple(found)

    def scale(self, name: str, rank: int) -> float:
        """Return the factor of the change of a module; a ModelError where its rank is another."""
        if (said := _at(self.rank_pattern, name, self.r)) != rank:
            raise ModelError(f"{name}: expected an adapter of rank {said}, found rank {rank}")
        return _at(self.alpha_pattern, name, self.lora_alpha) / (rank**0.5 if self.use_rslora else rank)

    def base(self, matrix: Float[Tensor, "O I"], rank: int, scale: float) -> Float[Tensor, "O I"]:
        """Return the matrix to which the change is added: without what the adapter began with."""
        if self.init_lora_weights == "pissa":
            left, size, right = torch.linalg.svd(matrix, full_matrices=False)
            return matrix - (left[:, :rank] * size[:rank]) @ right[:rank]
        if self.init_lora_weights == "olora":
            q, r = torch.linalg.qr(matrix)
            return matrix - scale * q[:, :rank] @ r[:rank]
        return matrix


def read_config(file: Path) -> PeftConfig:
    """Read an adapter_config.json; a ModelError names a key with which peft would compute what we do not."""
    tree = files.read_json(file, ModelError)
    if not isinstance(tree, dict):
        raise ModelError(f"{file}: expected an object, found {type(tree).__name__}")
    if (kind := tree.get("peft_type")) != "LORA":
        raise ModelError(
            f"{file}: peft_type = {kind!r:.80} is not supported, expected 'LORA'; merge it with peft first"
        )
    known = {key: value for key, value in tree.items() if key in PeftConfig.model_fields and value is not None}
    for key, value in tree.items():
        if value not in (None, False, "none", [], {}) and key not in PeftConfig.model_fields and key not in SILENT:
            raise ModelError(f"{file}: {key} = {value!r:.80} is not supported; merge the adapter with peft first")
    try:
        config = parse(PeftConfig, known, str(file))
        for pattern in (*_regular(config), *(config.rank_pattern or ()), *(config.alpha_pattern or ())):
            re.compile(pattern)
    except ConfigError as wrong:
        raise ModelError("; ".join(str(wrong).splitlines())) from wrong
    except re.error as wrong:
        raise ModelError(f"{file}: {wrong.pattern!r} is not a regular expression: {wrong}") from wrong
    if config.init_lora_weights not in STARTS:
        raise ModelError(
            f"{file}: init_lora_weights = {config.init_lora_weights!r} changed the base in a way that the file does "
            f"not tell; save the adapter again with path_initial_model_for_weight_conversion, or merge it with peft"
        )
    return config


def _regular(config: PeftConfig) -> list[str]:
    """Return the values that peft reads as regular expressions, besides the patterns."""
    whole = [value for value in (config.target_modules, config.exclude_modules) if isinstance(value, str)]
    return [*whole, *config.layers_pattern, *(config.modules_to_save or ())]


def _named(names: Names, name: str) -> bool:
    """Return whether a regular expression matches a name, or one of several names is its end."""
    if isinstance(names, str):
        return re.fullmatch(names, name) is not None
    return any(f".{name}".endswith(f".{one}") for one in names or ())


def _at(patterns: Mapping[str, T] | None, name: str, usual: T) -> T:
    """Return the value of the first pattern that matches a name or an end of it."""
    found = (value for key, value in (patterns or {}).items() if re.match(rf"(.*\.)?({key})$", name))
    return next(found, usual)
