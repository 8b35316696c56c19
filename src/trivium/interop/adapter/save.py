"""Write adapters in the files of peft: adapter_config.json and adapter_model.safetensors, in the stock class's names.

The names come from the families' rule tables. Where a stock class keeps several of our matrices in one (GPT-2's
c_attn, ModernBERT's Wqkv), their changes become one of the summed rank, with the second factor in blocks. Weights that
are trained beside the adapters (a task's head) are stored as peft's `modules_to_save`. Knows no training.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trivium.base import files
from trivium.base.errors import ModelError
from trivium.base.version import FORMAT
from trivium.interop import families, rules
from trivium.interop.families import stock
from trivium.interop.rules import Rule
from trivium.interop.weights import check, tensors
from trivium.model.adapt import LoraLinear, adapted
from trivium.model.transformer import Transformer

CONFIG, WEIGHTS, ROOT = "adapter_config.json", "adapter_model.safetensors", "base_model.model."
TASKS = {
    "decoder": "CAUSAL_LM",
    "encoder_decoder": "SEQ_2_SEQ_LM",
    "classify": "SEQ_CLS",
    "tag": "TOKEN_CLS",
    "span": "QUESTION_ANS",
}
"""The kind of a task's head, else the family of a model that writes -> the task type of peft."""
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
    table = table_of(folder, model)
    state: dict[str, Tensor] = {}
    ranks: dict[str, int] = {}
    alphas: dict[str, float] = {}
    for theirs, parts, transposed in _matrices(model, table):
        ours = list(parts.values())
        if not (found := [layer for layer in ours if isinstance(layer, LoraLinear)]):
            continue
        # The changes of several layers are one: A's on top of each other, B's in blocks, each with its own scale.
        scale = found[0].scale
        blocks = [layer.lora_b * (layer.scale / scale) if layer in found else layer.weight[:, :0] for layer in ours]
        a, b = torch.cat([layer.lora_a for layer in found]), torch.block_diag(*blocks)
        state[f"{theirs}.lora_A.weight"], state[f"{theirs}.lora_B.weight"] = a, b
        ranks[theirs], alphas[theirs], flipped = len(a), scale * len(a), transposed
    extra = _learned(model, table)
    first, head = next(iter(ranks)), model.config.head.kind
    config = {
        "peft_type": "LORA",
        "base_model_name_or_path": str(base),
        "inference_mode": True,
        **PLAIN,
        "task_type": TASKS.get(model.config.family if head == "lm" else head),
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
        files.write_json(new / check.OURS, {"format": FORMAT, check.HASHES: check.hashes(new)})
    return folder


def _learned(model: Transformer, table: rules.Table) -> dict[str, Tensor]:
    """Return, in their names, the weights that are trained beside the adapters."""
    own = {
        name: parameter.detach().cpu()
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and not name.endswith((".lora_a", ".lora_b"))
    }
    return rules.to_theirs(own, [entry for entry in table if isinstance(entry, Rule) and set(entry.parts) <= set(own)])


def _matrices(model: Transformer, table: rules.Table) -> Iterator[tuple[str, dict[str, Any], bool]]:
    """Yield (their module, our modules by name, whether theirs is transposed) for each matrix."""
    for entry in table:
        if isinstance(entry, Rule) and entry.theirs.endswith(".weight"):
            names = [part.removesuffix(".weight") for part in entry.parts]
            ours = {name: model.get_submodule(name) for name in names}
            yield entry.theirs.removesuffix(".weight"), ours, entry.transpose


def table_of(folder: Path, model: Transformer) -> rules.Table:
    """Return the names of a model's weights in the stock class, in which the files of peft are; else a ModelError."""
    family, reasons = stock(model.config)
    if family is None:
        name, reason = next(iter(reasons.items()))
        raise ModelError(
            f"{folder}: peft's files need a stock class, and no stock class computes the model: {name}: {reason}"
        )
    return families.rules(family, model.config)
