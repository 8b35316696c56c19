"""Write adapters in the files of peft: adapter_config.json and adapter_model.safetensors, in the stock class's names.

The names come from the families' rule tables. Where a stock class keeps several of our matrices in one (GPT-2's
c_attn, ModernBERT's Wqkv), their changes become one of the summed rank, with the second factor in blocks. Weights that
are trained beside the adapters (a task's head) are stored as peft's `modules_to_save`. Knows no training.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trivium.base import files
from trivium.base.config import dump
from trivium.base.errors import ModelError
from trivium.base.version import FORMAT
from trivium.interop import families, rules
from trivium.interop.families import stock
from trivium.interop.rules import Copy, Rule
from trivium.interop.weights import check, tensors
from trivium.model.adapt import LoraLinear, adapted
from trivium.model.transformer import Transformer

CONFIG, WEIGHTS, ROOT = "adapter_config.json", "adapter_model.safetensors", "base_model.model."
HEAD = "head"
"""The key of trivium.json for a head that is trained beside the adapters, which the base has not."""
TASKS = {
    "decoder": "CAUSAL_LM",
    "encoder_decoder": "SEQ_2_SEQ_LM",
    "classify": "SEQ_CLS",
    "tag": "TOKEN_CLS",
    "span": "QUESTION_ANS",
}
"""The kind of a task's head, else the family of a model that writes -> the task type of peft; pictures have none."""
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
"""The settings of peft with which the change is (alpha / rank) B A x and no more."""


def save_adapter(folder: str | Path, model: Transformer, base: str | Path) -> Path:
    """Write the adapters of a model, and the weights trained beside them, for its model folder `base`."""
    folder, layers = Path(folder), adapted(model)
    if not layers:
        raise ModelError(f"{folder}: the model has no adapters to save")
    table = tables_of(folder, model)[0]
    state: dict[str, Tensor] = {}
    ranks: dict[str, int] = {}
    alphas: dict[str, float] = {}
    for entry, theirs, ours in _matrices(model, table):
        if not (found := [layer for layer in ours if isinstance(layer, LoraLinear)]):
            continue
        # The changes of several layers are one: A's on top of each other, B's in blocks, each with its own scale.
        scale = found[0].scale
        blocks = [layer.lora_b * (layer.scale / scale) if layer in found else layer.weight[:, :0] for layer in ours]
        a, b = torch.cat([layer.lora_a for layer in found]), torch.block_diag(*blocks)
        ranks[theirs], alphas[theirs], flipped = len(a), scale * len(a), entry.transpose
        if entry.shape:  # a convolution, and another of 1 x 1 behind it
            a, b = a.reshape(len(a), *entry.shape[1:]), b[:, :, None, None]
        state[f"{theirs}.lora_A.weight"], state[f"{theirs}.lora_B.weight"] = a, b
    extra = _learned(model, table)
    first, head = next(iter(ranks)), model.config.head.kind
    config = {
        "peft_type": "LORA",
        "base_model_name_or_path": str(base),
        "inference_mode": True,
        **PLAIN,
        "task_type": None if model.config.pictures else TASKS.get(model.config.family if head == "lm" else head),
        "r": ranks[first],
        "lora_alpha": alphas[first],
        "lora_dropout": next(iter(layers.values())).dropout,
        "target_modules": list(ranks),
        "rank_pattern": ranks,
        "alpha_pattern": alphas,
        "fan_in_fan_out": flipped,
        "modules_to_save": sorted({name.rsplit(".", 1)[0] for name in extra}) or None,
    }
    both = check.sound(state | extra, folder, "nothing was written")
    with files.publishing(folder) as new:
        tensors.write_file(new / WEIGHTS, {f"{ROOT}{name}": value.detach().cpu() for name, value in both.items()})
        files.write_json(new / CONFIG, config)
        learned = {HEAD: dump(model.config.head)} if extra else {}
        files.write_json(new / check.OURS, {"format": FORMAT, **learned, check.HASHES: check.hashes(new)})
    return folder


def _learned(model: Transformer, table: rules.Table) -> dict[str, Tensor]:
    """Return, in their names, the weights that are trained beside the adapters."""
    own = {
        name: parameter.detach().cpu()
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and not name.endswith((".lora_a", ".lora_b"))
    }
    return rules.to_theirs(own, [entry for entry in table if isinstance(entry, Rule) and set(entry.parts) <= set(own)])


def _matrices(model: Transformer, table: rules.Table) -> Iterator[tuple[Rule, str, list[Any]]]:
    """Yield (entry, their module, our modules) for each matrix."""
    for entry in table:
        if isinstance(entry, Rule) and entry.theirs.endswith(".weight"):
            ours = [model.get_submodule(part.removesuffix(".weight")) for part in entry.parts]
            yield entry, entry.theirs.removesuffix(".weight"), ours


def tables_of(folder: Path, model: Transformer) -> list[rules.Table]:
    """Return the names of a model's weights as the modules of the stock class have them: the names of peft's files.

    The first table is of today's stock library, the last has the names of files. ModelError: there is no stock class.
    """
    family, reasons = stock(model.config)
    if family is None:
        name, reason = next(iter(reasons.items()))
        raise ModelError(
            f"{folder}: peft's files need a stock class, and no stock class computes the model: {name}: {reason}"
        )
    table = families.rules(family, model.config)
    return [_called(table, change) for change in (*family.modules, {})]


def _called(table: rules.Table, change: Mapping[str, str]) -> rules.Table:
    """Return the rules and copies of a table with other names of theirs, in which patterns are replaced in order."""

    def new(name: str) -> str:
        for pattern, word in change.items():
            name = re.sub(pattern, word, name)
        return name

    copies = [replace(entry, theirs=new(entry.theirs), of=new(entry.of)) for entry in table if isinstance(entry, Copy)]
    return [*(replace(entry, theirs=new(entry.theirs)) for entry in table if isinstance(entry, Rule)), *copies]
