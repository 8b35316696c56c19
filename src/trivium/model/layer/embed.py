"""From ids or the patches of a picture to the input vectors of a stack; only this file of the model knows pixels.

The Transformer owns the token table, which stacks and head share. Here is what each stack adds to a token's vector:
positions, token types, a norm. The patch embedding is that of Dosovitskiy et al. 2020 (arXiv:2010.11929).
"""

import math
from typing import Annotated, Any

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from trivium.base.batch import Stream
from trivium.base.config import Choice, Seq
from trivium.base.types import Patches
from trivium.model.layer.norm import NoNorm, Norm
from trivium.model.layer.position import Position, told


class Embed(Choice):
    """The input of a stack."""

    def build(self, hidden_size: int, context: int, position: Position, dropout: float) -> nn.Module:
        """Return the module that maps a stream [B, T] and the token table to the stack's input [B, T, D].

        It may be given the states [N, D] of an encoder too, and the id in whose places they stand.
        """
        raise NotImplementedError

    @property
    def patch_size(self) -> int:
        """P, how many numbers a patch has, where the stack reads pictures; 0 where it reads ids.

        A kind of pictures is made of `PatchEmbed`, whose fields say how files become patches.
        """
        return 0

    def limit(self, context: int) -> int:
        """Return how many positions a table has room for."""
        return context

    def refuse(self, picture: Patches) -> str | None:
        """Return why a picture is none that the stack reads, or None."""
        return "cannot be read: the model reads texts"


class TokenInput(nn.Module):
    """norm(scale * token + position + type)"""

    def __init__(self, config: "Tokens", hidden_size: int, context: int, position: Position, dropout: float) -> None:
        super().__init__()
        self.scale = math.sqrt(hidden_size) if config.scale else 1.0
        self.position = position.additive(context, hidden_size)
        self.types = nn.Embedding(config.types, hidden_size) if config.types else None
        self.norm = config.norm.build(hidden_size)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, stream: Stream, tokens: nn.Module, given: Float[Tensor, "N D"] | None = None, at: int | None = None
    ) -> Float[Tensor, "B T D"]:
        x = tokens(stream.ids)
        # The factor is rounded to the model's dtype, as in the training of such models.
        x = x * x.new_full((), self.scale) if self.scale != 1.0 else x
        if given is not None:  # both in the order of rows and their documents
            x = x.masked_scatter((stream.ids == at)[..., None], given.to(x.dtype))
        if self.types is not None:
            x = x + self.types(stream.positions * 0 if stream.types is None else stream.types)
        if self.position is not None:
            x = x + self.position(told(self.position, stream.positions, stream.places)).to(x.dtype)
        return self.dropout(self.norm(x))


class Tokens(Embed, kind="tokens"):
    """Token vectors, multiplied by sqrt(D) with `scale`; plus a vector of one of `types` token types (BERT)."""

    scale: bool = False
    """Whether vectors are multiplied by the root of the width."""
    types: int = Field(0, ge=0)
    """The number of token types (BERT has 2); 0 is none."""
    norm: Norm = NoNorm()
    """The norm of the vectors."""

    def build(self, hidden_size: int, context: int, position: Position, dropout: float) -> nn.Module:
        return TokenInput(self, hidden_size, context, position, dropout)


class PatchInput(nn.Module):
    """norm(patch * weight + bias + position), with a vector of its own for the class token."""

    def __init__(self, config: "PatchEmbed", hidden_size: int, position: Position, dropout: float) -> None:
        super().__init__()
        self.config = config
        self.patch = nn.Linear(config.patch_size, hidden_size, bias=config.bias)
        self.first = nn.Embedding(1, hidden_size) if config.class_token else None
        self.position = position.additive(config.limit(0), hidden_size)
        self.norm = config.norm.build(hidden_size)
        self.dropout = nn.Dropout(dropout)

    def forward(self, stream: Stream, *_: Any) -> Float[Tensor, "B T D"]:
        patches: Any = stream.patches
        places: Any = stream.places
        if patches is None:  # padding alone
            patches = self.patch.weight.new_zeros(*stream.shape, self.config.patch_size)
            places = torch.zeros_like(stream.positions)[..., None].expand(-1, -1, 2)
        x = self.patch(patches.to(self.patch.weight.dtype))  # B T D
        first = (stream.positions == 0)[..., None]
        if self.first is not None:
            x = torch.where(first, self.first.weight.to(x.dtype), x)
        if self.position is not None:
            plane = getattr(self.position, "plane", False)
            added = self.position(places if plane else self._index(places, stream.positions)).to(x.dtype)
            x = x + (added.masked_fill(first, 0) if plane and self.first is not None else added)
        return self.dropout(self.norm(x))

    def _index(self, places: Tensor, positions: Tensor) -> Tensor:
        """Return the row of each place in the table of positions; a place outside has none, which is an IndexError."""
        row, column = places.unbind(-1)
        index = row * self.config.size[1] + column + (column >= self.config.size[1]) * self.config.limit(0)
        return index if self.first is None else torch.where(positions == 0, 0, index + 1)


class PatchEmbed(Embed, kind="patches"):
    """The patches of pictures through one matrix (ViT)."""

    patch: int = Field(16, gt=0, le=1 << 10)
    """The pixels of a side of a patch."""
    patch_width: int | None = Field(None, gt=0, le=1 << 16)
    """The pixels of its width, where it is not as wide as high."""
    channels: int = Field(3, gt=0, le=1 << 10)
    """The numbers of a pixel: red, green and blue, or grey alone."""
    size: Seq[Annotated[int, Field(gt=0, le=1 << 16)]] = Field((14, 14), min_length=2, max_length=2)
    """The rows and columns of a picture, in patches: those of a table of learned positions."""
    class_token: bool = True
    """Whether a vector of its own stands in front of the patches."""
    bias: bool = True
    """Whether the matrix has a bias."""
    norm: Norm = NoNorm()
    """The norm of the vectors."""

    def build(self, hidden_size: int, context: int, position: Position, dropout: float) -> nn.Module:
        return PatchInput(self, hidden_size, position, dropout)

    @property
    def patch_size(self) -> int:
        return self.channels * self.patch * (self.patch_width or self.patch)

    def limit(self, context: int) -> int:
        return self.size[0] * self.size[1] + self.class_token

    def refuse(self, picture: Patches) -> str | None:
        if (found := picture.values.shape[1]) != self.patch_size:
            sides = f"{self.patch} x {self.patch_width or self.patch}"
            return f"has patches of {found} numbers; expected {self.patch_size}, {self.channels} x {sides}"
        rows, columns = (int(most) + 1 for most in picture.places.max(axis=0))
        if len(picture) != rows * columns + self.class_token:
            return f"has {len(picture)} patches; expected {rows} x {columns}" + " and a class token" * self.class_token
        if rows > self.size[0] or columns > self.size[1]:
            return f"has {rows} x {columns} patches; the model reads at most {self.size[0]} x {self.size[1]}"
        return None
