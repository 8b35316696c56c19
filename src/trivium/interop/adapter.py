"""Adapters in peft's files: adapter_config.json and adapter_model.safetensors, in the names of the stock class.

The names come from the families' rule tables. Where a stock class keeps several of our matrices in one (GPT-2's
c_attn, ModernBERT's Wqkv), their changes become one of the summed rank, with the second factor in blocks; read back,
each of ours takes the whole first factor and its rows of the second. Weights that are trained beside the adapters (a
task's head) are stored as peft's `modules_to_save`. Knows no training.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from trivium.base import files
from trivium.base.errors import ModelError
from trivium.interop import families, rules
from trivium.interop.families import stock
from trivium.interop.rules import Rule
from trivium.model.adapt import LoraLinear, adapted, put
from trivium.model.transformer import Transformer

CONFIG, WEIGHTS, ROOT = "adapter_config.json", "adapter_model.safetensors", "base_model.model."
TASKS = {
    "ForCausalLM": "CAUSAL_LM",
    "LMHeadModel": "CAUSAL_LM",
    "ForConditionalGeneration": "SEQ_2_SEQ_LM",
    "ForSequenceClassification": "SEQ_CLS",
    "ForTokenClassification": "TOKEN_CLS",
    "ForQuestionAnswering": "QUESTION_ANS",
}
"""The end of a stock class's name -> the task type of peft."""
PLAIN = {
    "use_dora": False,
    "use_rslora": False,
    "bias": "none",
    "lora_bias": False,
    "layers_to_transform": None,
    "trainable_token_indices": None,
    "target_parameters": None,
    "alora_invocation_tokens": None,
}
"""The settings of peft with which the change is (alpha / rank) B A x and no more; other values are refused."""


def save_adapter(folder: str | Path, model: Transformer, base: str | Path) -> Path:
    """Write the adapters of a model, and the weights trained beside them, for its model folder `base`."""
    folder, layers = Path(folder), adapted(model)
    family, reasons = stock(model.config)
    if not layers:
        raise ModelError(f"{folder}: the model has no adapters to save")
    if family is None:
        raise ModelError(
            f"{folder}: no stock class computes this model, and peft's files are in its names: "
            + "; ".join(f"{name}: {reason}" for name, reason in list(reasons.items())[:1])
        )
    state: dict[str, Tensor] = {}
    ranks: dict[str, int] = {}
    alphas: dict[str, float] = {}
    table = families.rules(family, model.config)
    for theirs, parts, transposed in _matrices(table):
        change = _join([layers.get(part) for part in parts], [_layer(model, part) for part in parts])
        if change is None:
            continue
        a, b, scale = change
        state[f"{ROOT}{theirs}.lora_A.weight"], state[f"{ROOT}{theirs}.lora_B.weight"] = a, b
        ranks[theirs], alphas[theirs], flipped = len(a), scale * len(a), transposed
    extra = _learned(model, table)
    state |= {f"{ROOT}{name}": tensor for name, tensor in extra.items()}
    first = next(iter(ranks))
    architecture = families.write(family, model.config, None)["architectures"][0]
    config = {
        "peft_type": "LORA",
        "base_model_name_or_path": str(base),
        "inference_mode": True,
        **PLAIN,
        "task_type": next((task for end, task in TASKS.items() if architecture.endswith(end)), None),
        "r": ranks[first],
        "lora_alpha": alphas[first],
        "lora_dropout": next(iter(layers.values())).dropout,
        "target_modules": list(ranks),
        "rank_pattern": ranks,
        "alpha_pattern": alphas,
        "fan_in_fan_out": flipped,
        "modules_to_save": sorted({name.rsplit(".", 1)[0] for name in extra}) or None,
    }
    with files.publishing(folder) as new:
        save_file({name: tensor.contiguous() for name, tensor in state.items()}, new / WEIGHTS, {"format": "pt"})
        files.write_json(new / CONFIG, config)
    return folder


def _learned(model: Transformer, table: rules.Table) -> dict[str, Tensor]:
    """Return, in their names, the weights that are trained beside the adapters."""
    own = {
        name: parameter.detach().cpu()
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and not name.endswith((".lora_a", ".lora_b"))
    }
    return rules.to_theirs(own, [entry for entry in table if isinstance(entry, Rule) and set(entry.parts) <= set(own)])


def load_adapter(folder: str | Path, model: Transformer) -> Transformer:
    """Put the adapters of a folder, ours or peft's, on the model that they were trained on; return the model."""
    folder = Path(folder)
    config = files.read_json(folder / CONFIG, ModelError)
    family, _ = stock(model.config)
    if family is None:
        raise ModelError(f"{folder}: no stock class computes the model, and peft's files are in the names of one")
    for key, value in PLAIN.items():
        if config.get(key, value) not in (value, None):
            raise ModelError(f"{folder / CONFIG}: {key} = {config[key]!r} is not supported, expected {value!r}")
    try:
        state = {key.removeprefix(ROOT): tensor for key, tensor in load_file(folder / WEIGHTS).items()}
    except (SafetensorError, OSError) as broken:
        raise ModelError(f"{folder / WEIGHTS}: not a whole safetensors file: {broken}") from broken
    table = families.rules(family, model.config)
    for theirs, parts, _ in _matrices(table):
        a, b = (state.pop(f"{theirs}.lora_{which}.weight", None) for which in "AB")
        if a is None or b is None:
            continue
        rank, alpha = len(a), _pattern(config, "alpha_pattern", theirs, config["lora_alpha"])
        sizes = [_layer(model, part).out_features for part in parts]
        if b.shape[0] != sum(sizes) or a.shape[1] != _layer(model, parts[0]).in_features or b.shape[1] != rank:
            raise ModelError(
                f"{folder / WEIGHTS}: {theirs}: an adapter of {a.shape[1]} to {b.shape[0]} does not fit "
                f"a layer of {_layer(model, parts[0]).in_features} to {sum(sizes)}"
            )
        for part, rows in zip(parts, b.split(sizes), strict=True):
            layer = put(model, part, rank, float(alpha), float(config.get("lora_dropout") or 0.0))
            with torch.no_grad():
                layer.lora_a.copy_(a)
                layer.lora_b.copy_(rows)
    own = [entry for entry in table if isinstance(entry, Rule) and entry.theirs in state]
    shapes = {part: model.get_parameter(part).shape for entry in own for part in entry.parts}
    if not adapted(model):
        raise ModelError(f"{folder / WEIGHTS}: holds no adapter for a layer of the model; is it another model's?")
    try:
        for name, tensor in rules.to_ours(state, own, shapes).items():
            model.get_parameter(name).data.copy_(tensor)
    except ModelError as wrong:
        raise ModelError(f"{folder / WEIGHTS}: {wrong}; is it another model's adapter?") from wrong
    return model


def base(folder: Path) -> Path:
    """Return the model folder of an adapter: where it says, or of that name beside the adapter's folder."""
    name = files.read_json(folder / CONFIG, ModelError).get("base_model_name_or_path")
    places = [Path(str(name)), folder.parent / Path(str(name)).name]
    for place in places:
        if (place / "config.json").is_file():
            return place
    raise ModelError(
        f"{folder / CONFIG}: base_model_name_or_path: expected a model folder, found {name!r}; "
        f"put the model at {places[1]}"
    )


def _matrices(table: rules.Table) -> list[tuple[str, list[str], bool]]:
    """Return (their module, our modules, whether theirs is transposed) for each matrix."""
    return [
        (entry.theirs.removesuffix(".weight"), [part.removesuffix(".weight") for part in entry.parts], entry.transpose)
        for entry in table
        if isinstance(entry, Rule) and entry.theirs.endswith(".weight")
    ]


def _layer(model: Transformer, name: str) -> Any:
    return model.get_submodule(name)


def _join(found: list[LoraLinear | None], layers: list[Any]) -> tuple[Tensor, Tensor, float] | None:
    """Return one change of several: A's on top of each other, B's in blocks; a scale that differs goes into B."""
    present = [layer for layer in found if layer is not None]
    if not present:
        return None
    scale, at, row = present[0].scale, 0, 0
    a = torch.cat([layer.lora_a.detach() for layer in present]).cpu()
    b = a.new_zeros(sum(layer.out_features for layer in layers), len(a))
    for layer, change in zip(layers, found, strict=True):
        if change is not None:
            block = change.lora_b.detach().cpu() * (change.scale / scale)
            b[row : row + layer.out_features, at : at + change.rank] = block
            at += change.rank
        row += layer.out_features
    return a, b, scale


def _pattern(config: Mapping[str, Any], key: str, name: str, default: Any) -> Any:
    """Return the value of a peft pattern for a module; its keys are names or ends of names."""
    found = [value for end, value in (config.get(key) or {}).items() if name == end or name.endswith(f".{end}")]
    return found[0] if found else default
