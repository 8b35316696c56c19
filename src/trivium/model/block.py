"""One layer: self-attention, cross-attention where there is an encoder to read, feed-forward."""

from jaxtyping import Float
from torch import Tensor, nn

from trivium.model.attention.attention import Attention
from trivium.model.attention.cache import KVCache
from trivium.model.attention.view import View
from trivium.model.layer.residual import ResidualStream, Sublayer


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
        cache: KVCache | None = None,
    ) -> Float[Tensor, "B T D"]:
        """Run the sublayers. `view` is of self-attention, `across` of cross-attention to `memory`."""
        sublayers: list[Sublayer] = [lambda h: self.attention(h, view, cache=cache)]
        if (cross := self.cross) is not None:
            assert memory is not None and across is not None, "a block with cross-attention needs a memory"
            sublayers.append(lambda h: cross(h, across, memory, cache))
        return self.residual(x, [*sublayers, self.ffn])
