"""How weights are kept for reading: as they are, in another dtype, or as integers of 8 bits.

On a CPU matrices that read the same numbers become one, and large ones are packed: in the order in which the processor
reads them. Products of some rows are then faster, and have the same bits for any number of rows (see `sizes`).

fp32, bf16    that dtype
int8          matrices as integers with a scale for each output, and inputs as integers with a scale for each pass
              (LLM.int8() without outliers: Dettmers et al. 2022, arXiv:2208.07339); all else float32; CPU only
auto          fp32 or bf16, whichever is faster on this machine
own           the dtype of the folder; float16 becomes float32 on a CPU
"""

import time
import warnings
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from trivium.base.errors import ConfigError
from trivium.base.log import note
from trivium.model.layer.ffn import FeedForward
from trivium.model.layer.head import VocabularyHead
from trivium.model.stack import Block
from trivium.model.transformer import Transformer

Pack = Callable[[Tensor, Tensor | None], nn.Module]
"""Makes a layer of a matrix and a bias."""
Weights = Literal["own", "fp32", "bf16", "int8", "auto"]
"""The ways to keep weights."""
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
LARGE = 1 << 18
"""The numbers of a matrix in float32 from which it is packed."""
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


class PackedLinear(nn.Module):
    """A linear layer whose matrix oneDNN keeps in an order of its own; it cannot be trained or saved."""

    def __init__(self, weight: Float[Tensor, "O I"], bias: Tensor | None) -> None:
        super().__init__()
        self.out_features, self.in_features = weight.shape
        self.packed, self.bias = torch.ops.mkldnn._reorder_linear_weight(weight.detach(), None), bias

    def forward(self, x: Float[Tensor, "*B I"]) -> Float[Tensor, "*B O"]:
        out: Tensor = torch.ops.mkldnn._linear_pointwise(x, self.packed, self.bias, "none", [], "")
        return out


def fast(weight: Float[Tensor, "O I"], bias: Tensor | None) -> nn.Module:
    """Return the faster layer: in float32 small matrices lose more by a call of oneDNN than they gain by its order."""
    if weight.dtype != torch.float32 or weight.numel() >= LARGE:
        return PackedLinear(weight, bias)
    made = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
    made.weight = nn.Parameter(weight.detach())
    made.register_parameter("bias", None if bias is None else nn.Parameter(bias.detach()))
    return made


class SideBySide(nn.Module):
    """Linear layers that read the same numbers, as one matrix."""

    packed = True

    def __init__(self, layers: Sequence[nn.Linear], pack: Pack) -> None:
        super().__init__()
        self.widths = [layer.out_features for layer in layers]
        biases: list[Tensor] = [layer.bias for layer in layers if layer.bias is not None]
        weights: list[Tensor] = [layer.weight for layer in layers]
        self.product = pack(torch.cat(weights), torch.cat(biases) if biases else None)

    def forward(self, x: Float[Tensor, "*B I"]) -> tuple[Tensor, ...]:
        """Return the outputs of the layers."""
        return self.product(x).split(self.widths, dim=-1)


def packs(tensor: Tensor) -> bool:
    """Return whether matrices like this one can be packed without loss on this machine."""
    half = tensor.dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return (
        tensor.device.type == "cpu" and torch.backends.mkldnn.is_available() and (half or tensor.dtype == torch.float32)
    )


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
        transformer.to(torch.float32 if half else own)
    elif weights != "int8":
        transformer.to(DTYPES[weights])
    else:
        if device.type != "cpu" or ENGINE not in torch.backends.quantized.supported_engines:
            raise ConfigError(
                f"--weights int8: this machine ({device.type}) has no products of integers here; use bf16"
            )
        torch.backends.quantized.engine = ENGINE
        return _packed(transformer.to(torch.float32), Int8Linear)
    return _packed(transformer, fast) if packs(transformer.tokens.weight) else transformer


def packed(transformer: Transformer) -> Transformer:
    """Return a model with the same numbers and packed matrices, where they can be; all else is shared with it."""
    if not packs(transformer.tokens.weight) or not any(type(part) is nn.Linear for part in transformer.modules()):
        return transformer
    shared = {id(one): one for one in (*transformer.parameters(), *transformer.buffers())}
    return _packed(deepcopy(transformer, shared), PackedLinear)


@torch.no_grad()
def _packed(transformer: Transformer, pack: Pack) -> Transformer:
    for part in list(transformer.modules()):
        if isinstance(part, Block) and _plain(*(some := (part.attention.q, part.attention.k, part.attention.v))):
            part.attention.qkv = SideBySide(some, pack)
            part.attention.q = part.attention.k = part.attention.v = None  # type: ignore[assignment]
        elif isinstance(part, FeedForward) and part.gate is not None and _plain(part.gate, part.up):
            part.both, part.gate, part.up = SideBySide((part.gate, part.up), pack), None, None  # type: ignore[assignment]
    for name, module in list(transformer.named_modules()):
        if type(module) is nn.Linear and not name.startswith("inputs."):  # a picture is read once
            parent, _, leaf = name.rpartition(".")
            setattr(transformer.get_submodule(parent), leaf, pack(module.weight, module.bias))
        elif isinstance(module, VocabularyHead):
            module.product = pack(module.weight, module.bias)
    return transformer.eval()


def _plain(*layers: nn.Module) -> bool:
    """Return whether layers are plain ones, all with a bias or all without."""
    return all(type(layer) is nn.Linear for layer in layers) and len({layer.bias is None for layer in layers}) == 1


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
