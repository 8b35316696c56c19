"""The weights of a folder become a model: sizes are compared, 8 bits become numbers, names become ours.

Two recipes of 8 bits are public and small: FP8 in blocks (DeepSeek-V3: arXiv:2412.19437) and LLM.int8() (Dettmers et
al. 2022, arXiv:2208.07339). Any other `quantization_config` is refused by name. Nothing here writes such weights.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from trivium.base.errors import ModelError
from trivium.base.log import warn
from trivium.interop import families, rules
from trivium.interop.families import Family
from trivium.interop.weights import tensors
from trivium.model.config import ModelConfig
from trivium.model.transformer import Transformer
from trivium.model.weights import State, empty, fill, hollow

KEY = "quantization_config"
BLOCK, ROWS = ".weight_scale_inv", ".SCB"
"""What stands beside `.weight`: the factor of each block, or the largest number of each row."""
FORMAT = ".weight_format"


def model(
    folder: Path,
    tree: Mapping[str, Any],
    config: ModelConfig,
    family: Family | None,
    dtype: torch.dtype | None,
    more: Mapping[str, Tensor] = MappingProxyType({}),
) -> Transformer:
    """Return the model of a config with the weights of a folder, whose config.json is `tree`.

    `family` None is our own format; `more` are weights of other files, by our names; floating weights become `dtype`
    (None: as stored). Sizes are compared with the heads of the files before anything has memory. A ModelError names
    what is missing, unknown or of another shape.
    """
    held = tensors.shapes(folder)
    if (most := max(stack.layers for stack in config.stacks.values())) > len(held):
        raise ModelError(f"{folder}: config.json says {most} layers, the files have {len(held)} weights in all")
    try:
        block, shapes, prefix = blocks(tree), hollow(config), ""
        table: rules.Table = [rules.Rule(name, name) for name in shapes]
        if family:
            table = [*families.rules(family, config), *(rules.Rule(name, name) for name in more)]
            known = any(_today(key, family).startswith(family.prefix) for key in held)
            prefix = "" if known else family.prefix
        sizes = {prefix + _today(key, family): shape for key, shape in held.items()}
        rules.fit(sizes | {key: tensor.shape for key, tensor in more.items()}, table, shapes)
        state = tensors.read(folder, None if block else dtype)
        if block:
            warn(f"{folder}: {KEY}: weights in 8 bits are read as {dtype or torch.float32}")
            state = dequantized(state, block, dtype)
        state = {prefix + _today(key, family): tensor for key, tensor in state.items()}
        state = rules.to_ours({**state, **more}, table, shapes)
    except ModelError as wrong:
        raise wrong if str(folder) in str(wrong) else ModelError(f"{folder}: {wrong}") from wrong
    made = empty(config)
    fill(made, state, str(folder))
    return made


def _today(key: str, family: Family | None) -> str:
    """Return the name that we write for a weight."""
    renamed = family.renamed.items() if family else ()
    return next((new + key.removeprefix(old) for old, new in renamed if key.startswith(old)), key)


def blocks(tree: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return the size of the blocks of a config.json's weights, None for plain numbers.

    Rows with one factor each are blocks too. A ModelError names a recipe that we do not read.
    """
    found = tree.get(KEY)
    if not found:
        return None
    table = found if isinstance(found, dict) else {}
    method = table.get("quant_method") or ("bitsandbytes" if "load_in_8bit" in table else None)
    if method == "bitsandbytes" and table.get("load_in_8bit") is True:
        return 1, 1
    if method == "fp8":
        size = table.get("weight_block_size") or [128, 128]
        if isinstance(size, list) and len(size) == 2 and all(type(part) is int and part > 0 for part in size):
            return size[0], size[1]
        raise ModelError(f"{KEY}: weight_block_size: expected two whole numbers above 0, found {size!r:.60}")
    bits = " in 4 bits" if table.get("load_in_4bit") else ""
    raise ModelError(
        f"{KEY}: {method or repr(found)[:60]}{bits} is not read, only fp8 and load_in_8bit; take the model in full"
    )


def dequantized(state: State, block: tuple[int, int], dtype: torch.dtype | None) -> State:
    """Return the weights as numbers of `dtype` (None: float32), without what stood beside them."""
    plain: State = {}
    for name, tensor in state.items():
        lead = name.removesuffix(".weight")
        if name.endswith((BLOCK, ROWS, FORMAT)):
            continue
        if f"{lead}{BLOCK}" in state:
            tensor = tensor.float() * _grid(state[f"{lead}{BLOCK}"].float(), tensor, block, name)
        elif f"{lead}{ROWS}" in state:
            tensor = tensor.float() * state[f"{lead}{ROWS}"].float()[:, None] / 127
        elif not tensor.is_floating_point() and name.endswith(".weight"):
            raise ModelError(f"{name}: {tensor.dtype} without {BLOCK} or {ROWS} beside it")
        plain[name] = tensor.to(dtype or torch.float32) if tensor.is_floating_point() else tensor
    return plain


def _grid(scale: Tensor, weight: Tensor, block: tuple[int, int], name: str) -> Tensor:
    """Return the factor of each number of a matrix, from one for each block; the last blocks may be cut."""
    if [*scale.shape] != [-(-size // part) for size, part in zip(weight.shape, block, strict=True)]:
        raise ModelError(
            f"{name}: expected factors of blocks of {block[0]} x {block[1]}, found {[*scale.shape]} of them"
        )
    full = scale.repeat_interleave(block[0], 0).repeat_interleave(block[1], 1)
    return full[: weight.shape[0], : weight.shape[1]]
