"""The weights of a page: matrices in 8 bits with a scale for each row of outputs, all else in float32."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from trivium.model.transformer import Transformer
from trivium.model.weights import State

MOST = 127
"""The largest number of 8 bits that is used, and the smallest without its sign."""


def matrices(transformer: Transformer) -> set[str]:
    """Return the names of the weights that are multiplied with hidden states; the token table is one of them."""
    layers = {f"{name}.weight" for name, part in transformer.named_modules() if isinstance(part, nn.Linear)}
    return {*layers, "tokens.weight", "head.weight"}


def quantise(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Return the int8 [O, I] and float32 scales [O] whose product is close to a matrix."""
    scale = matrix.float().abs().amax(dim=1) / MOST
    scale = torch.where(scale > 0, scale, 1.0)
    return (matrix.float() / scale[:, None]).round().clamp(-MOST, MOST).to(torch.int8), scale


def dequantised(state: State, matrices: set[str]) -> State:
    """Return the weights that a page with 8 bits computes with."""

    def one(name: str, tensor: Tensor) -> Tensor:
        if name not in matrices:
            return tensor.float()
        whole, scale = quantise(tensor)
        return whole.float() * scale[:, None]

    return {name: one(name, tensor) for name, tensor in state.items()}


def pack(state: Mapping[str, Tensor], small: set[str]) -> tuple[dict[str, Any], bytes]:
    """Return where each tensor is, and all of them in one run of bytes; those in `small` take 8 bits a number.

    A tensor of float32 begins at a multiple of 4 bytes.
    """
    index: dict[str, Any] = {}
    floats, whole = bytearray(), bytearray()
    for name, tensor in state.items():
        index[name] = {"shape": list(tensor.shape)}
        if name in small:
            values, scale = quantise(tensor)
            index[name] |= {"at": len(whole), "scale": len(floats)}
            whole += values.contiguous().numpy().tobytes()
            floats += scale.numpy().astype("<f4").tobytes()
        else:
            index[name]["at"] = len(floats)
            floats += tensor.float().contiguous().numpy().astype("<f4").tobytes()
    for place in index.values():
        if "scale" in place:
            place["at"] += len(floats)
    return index, bytes(floats + whole)
