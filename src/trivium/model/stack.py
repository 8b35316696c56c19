"""A stack of blocks: an encoder, a decoder, or a decoder that reads the output of an encoder."""

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from trivium.base.config import Config, Tiled
from trivium.model.attention.attention import Attention, AttentionConfig
from trivium.model.attention.auto import Auto
from trivium.model.attention.cache import KVCache, Memory
from trivium.model.attention.crowd import Crowd
from trivium.model.attention.kernel import Kernel
from trivium.model.attention.pattern import Full, Pattern, Tiles, Where
from trivium.model.attention.view import View
from trivium.model.layer.embed import Embed
from trivium.model.layer.ffn import FFN, MLP
from trivium.model.layer.norm import LayerNorm, NoNorm, Norm
from trivium.model.layer.position import Learned, Position, RelativePosition
from trivium.model.layer.residual import Pre, Residual, ResidualStream, Sublayer


class Block(nn.Module):
    """Sublayers in order, joined by the residual stream."""

    def __init__(self, attention: Attention, cross: Attention | None, ffn: nn.Module, residual: ResidualStream) -> None:
        super().__init__()
        self.attention, self.cross, self.ffn, self.residual = attention, cross, ffn, residual

    def forward(
        self,
        x: Float[Tensor, "B T D"],
        view: View,
        memory: Float[Tensor, "B S D"] | None = None,
        across: View | None = None,
        cache: KVCache | Crowd | None = None,
    ) -> Float[Tensor, "B T D"]:
        """Run the sublayers. `view` is of self-attention, `across` of cross-attention to `memory`."""
        sublayers: list[Sublayer] = [lambda h: self.attention(h, view, cache=cache)]
        if (cross := self.cross) is not None:
            assert across is not None, "a block with cross-attention needs a memory"
            sublayers.append(lambda h: cross.read(h, across, memory, cache))
        return self.residual(x, [*sublayers, self.ffn])


class StackConfig(Config):
    """The choices of one stack. `pattern` and `position` are tiled over its layers."""

    layers: int = Field(gt=0, le=4096)
    """The number of layers."""
    hidden_size: int | None = Field(None, gt=0, le=1 << 24)
    """D, the width of an encoder of pictures; None is the model's."""
    embed: Embed | None = None
    """The way in; None is the model's."""
    cross: bool = True
    """Whether it attends to an encoder; else the encoder's states stand where it reads the image token."""
    heads: int = Field(gt=0, le=1 << 16)
    """H, the number of query heads."""
    kv_heads: int | None = Field(None, gt=0)
    """Heads of keys and values; None is one for each query head, 1 is multi-query attention."""
    head_size: int | None = Field(None, gt=0, le=1 << 16)
    """E, the width of one head; None is hidden_size / heads."""
    norm: Norm = LayerNorm()
    """How the input or output of a sublayer is normalised."""
    ffn: FFN = MLP()
    """The feed-forward sublayer."""
    position: Tiled[Position] = (Learned(),)
    """How positions are told, tiled over the layers."""
    pattern: Tiles = (Full(),)
    """Who may look at whom, tiled over the layers."""
    residual: Residual = Pre()
    """Where norms and additions stand."""
    bias: bool = True
    """Whether linear layers of attention have biases."""
    output_bias: bool | None = None
    """Whether the output matrix of attention has a bias; None is as `bias`, which is of queries, keys and values."""
    qk_norm: Norm = NoNorm()
    """How queries and keys are normalised, head by head."""
    score_scale: float | None = Field(None, gt=0)
    """The factor of attention scores; None is head_size ** -0.5."""
    score_decay: bool = False
    """Whether layer n, from 1, divides its scores by n (GPT-2's `scale_attn_by_inverse_layer_idx`)."""
    softcap: float | None = Field(None, gt=0)
    """The limit of attention scores: softcap * tanh(score / softcap)."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """The share of outputs of sublayers that is zeroed in training."""
    attention_dropout: float = Field(0.0, ge=0, lt=1)
    """The share of attention weights that is zeroed in training."""

    def kind(self, layer: int) -> tuple[Pattern, Position]:
        """Return the pattern and position of a layer."""
        return self.pattern[layer % len(self.pattern)], self.position[layer % len(self.position)]

    def head_width(self, hidden_size: int) -> int:
        """Return E, the width of one head."""
        return self.head_size or hidden_size // self.heads

    def attention(self, hidden_size: int, kernel: Kernel = Auto(), layer: int = 0) -> AttentionConfig:
        """Return the config of the attention of a layer, with every default filled in."""
        width, share = self.head_width(hidden_size), layer + 1 if self.score_decay else 1
        return AttentionConfig(
            hidden_size=hidden_size,
            heads=self.heads,
            kv_heads=self.kv_heads or self.heads,
            head_size=width,
            bias=self.bias,
            output_bias=self.bias if self.output_bias is None else self.output_bias,
            scale=(width**-0.5 if self.score_scale is None else self.score_scale) / share,
            norm=self.qk_norm,
            softcap=self.softcap,
            dropout=self.attention_dropout,
            kernel=kernel,
        )


class Stack(nn.Module):
    """Blocks in order and a final norm. Layers of one kind share one View."""

    def __init__(self, config: StackConfig, hidden_size: int, kernel: Kernel, cross: int = 0) -> None:
        """`cross` is the width of the memory that every block attends to, 0 for none."""
        super().__init__()
        self.config = config
        each = [config.attention(hidden_size, kernel, layer) for layer in range(config.layers)]
        self.blocks = nn.ModuleList(
            Block(
                Attention(own, layer),
                Attention(own.replace(norm=NoNorm(), memory_size=cross), layer) if cross else None,
                config.ffn.build(hidden_size),
                config.residual.build(config.norm, hidden_size, 3 if cross else 2, layer, config.dropout),
            )
            for layer, own in enumerate(each)
        )
        self.norm = config.norm.build(hidden_size) if config.residual.final else nn.Identity()
        relative = nn.ModuleList(p.relative(config.heads, each[0].head_size) for p in config.position)
        self.relative: list[RelativePosition] = relative  # type: ignore[assignment]

    def forward(
        self,
        x: Float[Tensor, "B T D"],
        where: Where,
        plain: bool = False,
        memory: Memory | None = None,
        cache: KVCache | Crowd | None = None,
    ) -> Float[Tensor, "B T D"]:
        """Run the blocks over x. A stack with cross-attention reads `memory`, or that of the cache."""
        states = None if memory is None else memory.states
        across = None if memory is None else View(Full(), where, memory.where)
        if cache is not None:
            cache.extend(where, plain)
            across = cache.across()
        views: dict[tuple[int, int], View] = {}
        for layer, block in enumerate(self.blocks):
            kind = layer % len(self.config.pattern), layer % len(self.config.position)
            if kind not in views:
                seen = self.config.pattern[kind[0]], self.relative[kind[1]]
                views[kind] = View(seen[0], where, where, plain, seen[1]) if cache is None else cache.view(*seen)
            x = block(x, views[kind], states, across, cache)
        return self.norm(x)

    def cache(self, capacity: int, rows: int = 1, memory: Memory | None = None) -> KVCache:
        """Return an empty KV cache for rows of `capacity` positions; a stack with cross-attention reads `memory`."""
        keeps = [self.config.kind(layer)[0].keep for layer in range(self.config.layers)]
        first = next(part for part in self.modules() if isinstance(part, Attention))
        shape, like = first.config, next(self.parameters(), torch.empty(0))  # packed matrices are no parameters
        return KVCache(like.new_empty(rows, shape.kv_heads, 0, shape.head_size), capacity, keeps, memory)
