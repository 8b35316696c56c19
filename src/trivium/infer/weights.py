"""How weights are kept for reading: as they are, in another dtype, or as integers of 8 bits.

fp32, bf16    that dtype
int8          matrices as integers with a scale for each output, and inputs as integers with a scale for each pass
              (LLM.int8() without outliers: Dettmers et al. 2022, arXiv:2208.07339); all else float32; CPU only
auto          fp32 or bf16, whichever is faster on this machine
own           the dtype of the folder; float16 becomes float32 on a CPU
"""

import time
import warnings
from collections.abc import Callable
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from trivium.base.errors import ConfigError
from trivium.base.log import note
from trivium.model.layer.head import VocabularyHead
from trivium.model.transformer import Transformer

Weights = Literal["own", "fp32", "bf16", "int8", "auto"]
"""The ways to keep weights."""
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
ENGINE = "onednn"
"""The library of integer products; the others are slower from 8 rows on."""


class Int8Linear(nn.Module):
    """A linear layer on packed 8-bit integers; it takes and gives float32, and cannot be trained or saved."""

    def __init__(self, weight: Float[Tensor, "O I"], bias: Tensor | None) -> None:
        super().__init__()
        scale = weight.abs().amax(dim=1).clamp(min=torch.finfo(torch.float32).tiny * 128).double() / 127
        with warnings.catch_warnings():  # torch announces another package; the operators stay
            warnings.simplefilter("ignore")
            whole = torch.quantize_per_channel(weight, scale, torch.zeros(len(scale), dtype=torch.long), 0, torch.qint8)
            self.packed = torch.ops.quantized.linear_prepack(whole, bias)

    def forward(self, x: Float[Tensor, "*B I"]) -> Float[Tensor, "*B O"]:
        """Return the product; the inputs of a pass share one scale, so it depends a little on the other rows."""
        out: Tensor = torch.ops.quantized.linear_dynamic(x, self.packed)
        return out


def keep(transformer: Transformer, weights: str | None) -> Transformer:
    """Change how the weights of a model are kept, in place; say what `auto` takes. None leaves them as they are.

    Raise ConfigError for an unknown way, and for one that this machine has not.
    """
    if weights is None:
        return transformer
    device, own = transformer.device, transformer.dtype
    if weights not in get_args(Weights):
        raise ConfigError(f"--weights: expected one of {', '.join(get_args(Weights))}, found {weights!r}")
    if weights == "auto":
        weights = fastest(transformer)
    if weights == "own":
        half = own == torch.float16 and device.type == "cpu"
        return transformer.to(torch.float32 if half else own)
    if weights != "int8":
        return transformer.to(DTYPES[weights])
    if device.type != "cpu" or ENGINE not in torch.backends.quantized.supported_engines:
        raise ConfigError(f"--weights int8: this machine ({device.type}) has no products of integers here; use bf16")
    torch.backends.quantized.engine = ENGINE
    return _packed(transformer.to(torch.float32))


def _packed(transformer: Transformer) -> Transformer:
    with torch.no_grad():
        for name, module in list(transformer.named_modules()):
            if type(module) is nn.Linear:
                parent, _, leaf = name.rpartition(".")
                setattr(transformer.get_submodule(parent), leaf, Int8Linear(module.weight, module.bias))
            elif isinstance(module, VocabularyHead):
                module.product = Int8Linear(module.weight, module.bias)
    return transformer


def fastest(transformer: Transformer, rounds: int = 3) -> str:
    """Return `fp32` or `bf16`: time the matrices of the model with one row and with 16 in both, and say it."""
    matrices = [module.weight.detach() for module in transformer.modules() if type(module) is nn.Linear][:16]
    device = transformer.tokens.weight.device
    times: dict[str, float] = {}
    for name, dtype in DTYPES.items():
        kept = [matrix.to(dtype) for matrix in matrices]
        rows = [[torch.ones(count, one.shape[1], dtype=dtype, device=device) for one in kept] for count in (1, 16)]

        def products(kept: list[Tensor] = kept, rows: list[list[Tensor]] = rows) -> None:
            for some in rows:
                for row, matrix in zip(some, kept, strict=True):
                    F.linear(row, matrix)
            if device.type == "cuda":
                torch.cuda.synchronize()

        times[name] = min(_seconds(products) for _ in range(rounds + 1))
    best = min(times, key=lambda name: times[name])
    note(f"weights: {best}; products took {1e3 * times['fp32']:.1f} ms in fp32 and {1e3 * times['bf16']:.1f} in bf16")
    return best


def _seconds(run: Callable[[], None]) -> float:
    start = time.perf_counter()
    with torch.inference_mode():
        run()
    return time.perf_counter() - start
