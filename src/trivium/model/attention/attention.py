"""Attention: one class for self- and cross-attention, with or without a KV cache, in every family.

Vaswani et al. 2017 (arXiv:1706.03762). With K < H heads of keys and values it is grouped-query attention (Ainslie
et al. 2023, arXiv:2305.13245), with K = 1 multi-query attention (Shazeer 2019, arXiv:1911.02150).
"""

from jaxtyping import Float
from torch import Tensor, nn

from trivium.base.config import Config
from trivium.model.attention.auto import Auto
from trivium.model.attention.cache import KVCache
from trivium.model.attention.kernel import Kernel
from trivium.model.attention.view import View
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


class Attention(nn.Module):
    """Mixes the values of other positions into each position; `layer` is its place in the KV cache."""

    def __init__(self, config: AttentionConfig, layer: int) -> None:
        super().__init__()
        self.config, self.layer = config, layer
        self.kernel = config.kernel
        width, inner = config.hidden_size, config.head_size
        self.q = mark(nn.Linear(width, config.heads * inner, bias=config.bias), "query", inner**-0.5 / config.scale)
        self.k = nn.Linear(width, config.kv_heads * inner, bias=config.bias)
        self.v = nn.Linear(width, config.kv_heads * inner, bias=config.bias)
        self.o = mark(nn.Linear(config.heads * inner, width, bias=config.output_bias), "output")
        self.q_norm = config.norm.of_heads(config.heads, inner)
        self.k_norm = config.norm.of_heads(config.kv_heads, inner)

    def forward(
        self, x: Float[Tensor, "B T D"], view: View, memory: Tensor | None = None, cache: KVCache | None = None
    ) -> Float[Tensor, "B T D"]:
        """Attend to x itself, or to the encoder's output `memory` [B, S, D] where it is given."""
        q = self.q_norm(self._split(self.q(x), self.config.heads))  # B H T E
        if memory is None:
            k, v = self._keys(x)
            if view.rotation is not None:
                q, k = rotate(q, view.rotation), rotate(k, view.rotation)
            if cache is not None:
                k, v = cache.append(self.layer, k, v)
        elif cache is None:
            k, v = self._keys(memory)
        else:
            k, v = cache.memory.get(self.layer) or cache.memory.setdefault(self.layer, self._keys(memory))
        dropout = self.config.dropout if self.training else 0.0
        out = self.kernel.attend(q, k, v, view, self.config.scale, dropout, self.config.softcap)
        return self.o(out.transpose(1, 2).flatten(2))  # B T D

    def _keys(self, x: Float[Tensor, "B S D"]) -> tuple[Tensor, Tensor]:
        k = self.k_norm(self._split(self.k(x), self.config.kv_heads))
        return k, self._split(self.v(x), self.config.kv_heads)

    def _split(self, x: Tensor, heads: int) -> Tensor:
        return x.unflatten(-1, (heads, self.config.head_size)).transpose(1, 2)  # B H T E
