"""Attention: one class for self- and cross-attention, with or without a KV cache, in every family.

Vaswani et al. 2017 (arXiv:1706.03762). With K < H heads of keys and values it is grouped-query attention (Ainslie
et al. 2023, arXiv:2305.13245), with K = 1 multi-query attention (Shazeer 2019, arXiv:1911.02150).
"""

from jaxtyping import Float
from torch import Tensor, nn

from trivium.base.config import Config
from trivium.model.attention.auto import Auto
from trivium.model.attention.cache import KVCache, Pairs
from trivium.model.attention.crowd import Crowd, mixed
from trivium.model.attention.kernel import Kernel
from trivium.model.attention.view import View
from trivium.model.device import cast
from trivium.model.init import mark
from trivium.model.layer.norm import Norm
from trivium.model.layer.position import rotate


class AttentionConfig(Config):
    """The numbers of one attention sublayer; see StackConfig."""

    hidden_size: int
    heads: int
    kv_heads: int
    head_size: int
    bias: bool
    output_bias: bool
    scale: float
    norm: Norm
    softcap: float | None
    dropout: float
    kernel: Kernel = Auto()
    memory_size: int | None = None


class Attention(nn.Module):
    """Mixes the values of other positions into each position; `layer` is its place in the KV cache."""

    def __init__(self, config: AttentionConfig, layer: int) -> None:
        super().__init__()
        self.config, self.layer, self.kernel = config, layer, config.kernel
        width, inner = config.hidden_size, config.head_size
        self.q = mark(nn.Linear(width, config.heads * inner, bias=config.bias), "query", inner**-0.5 / config.scale)
        self.k = nn.Linear(config.memory_size or width, config.kv_heads * inner, bias=config.bias)
        self.v = nn.Linear(config.memory_size or width, config.kv_heads * inner, bias=config.bias)
        self.o = mark(nn.Linear(config.heads * inner, width, bias=config.output_bias), "output")
        self.qkv: nn.Module | None = None
        """What gives q(x), k(x) and v(x) at once instead, where matrices are packed."""
        self.q_norm = config.norm.of_heads(config.heads, inner)
        self.k_norm = config.norm.of_heads(config.kv_heads, inner)

    def forward(
        self, x: Float[Tensor, "B T D"], view: View, cache: KVCache | Crowd | None = None
    ) -> Float[Tensor, "B T D"]:
        """Attend to x itself, and to what the cache keeps of its rows."""
        x = cast(x)
        made = (self.q(x), self.k(x), self.v(x)) if self.qkv is None else self.qkv(x)
        q, k, v = map(self._split, made)  # B H T E
        q, k = self.q_norm(q), self.k_norm(k)
        if view.rotation is not None:
            q, k = rotate(q, view.rotation), rotate(k, view.rotation)
        return self._mix(q, [(k, v)] if cache is None else cache.append(self.layer, k, v), view)

    def read(
        self, x: Float[Tensor, "B T D"], view: View, memory: Tensor | None, cache: KVCache | Crowd | None = None
    ) -> Float[Tensor, "B T D"]:
        """Attend to the output of an encoder: `memory` [B, S, D], or the cache's where there is a cache."""
        q = self.q_norm(self._split(self.q(x)))  # B H T E
        if cache is not None:
            return self._mix(q, cache.cross(self.layer, self._keys), view)
        assert memory is not None, "a layer with cross-attention needs a memory"
        return self._mix(q, [self._keys(memory)], view)

    def _mix(self, q: Float[Tensor, "B H T E"], pairs: Pairs, view: View) -> Float[Tensor, "B T D"]:
        more = self.config.scale, self.config.dropout if self.training else 0.0, self.config.softcap
        return self.o(mixed(self.kernel, q, pairs, view, *more))

    def _keys(self, x: Float[Tensor, "B S D"]) -> tuple[Tensor, Tensor]:
        x = cast(x)
        return self.k_norm(self._split(self.k(x))), self._split(self.v(x))

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (-1, self.config.head_size)).transpose(1, 2)  # B H T E
