"""The whole model: embed -> encoder stack? -> decoder stack? -> head.

An encoder alone is of BERT's family, a decoder alone of GPT's and LLaMA's, both together of T5's and BART's.
"""

from jaxtyping import Float
from torch import Tensor, nn

from trivium.base.batch import Batch, Stream
from trivium.model.attention.cache import KVCache, Memory
from trivium.model.attention.crowd import Crowd
from trivium.model.attention.pattern import Where
from trivium.model.config import ModelConfig
from trivium.model.init import initialise
from trivium.model.stack import Stack


def where(stream: Stream) -> Where:
    """Return the places of a stream's tokens."""
    return Where(stream.positions, stream.documents, stream.prefix)


class Transformer(nn.Module):
    """Maps a Batch to hidden states, and hidden states to logits."""

    encoder: Stack
    decoder: Stack

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.inputs = nn.ModuleDict()
        kernel = config.kernel.ready(self.tokens.weight.is_meta)
        for name, stack in config.stacks.items():
            self.inputs[name] = config.embed.build(config.hidden_size, config.context, stack.position[0], stack.dropout)
            setattr(self, name, Stack(stack, config.hidden_size, kernel, name == "decoder" and bool(config.encoder)))
        table = self.tokens.weight if config.tie else None
        self.head = config.head.build(config.hidden_size, config.vocab_size, table)  # type: ignore[arg-type]
        initialise(self, config.init, config.hidden_size, {name: s.layers for name, s in config.stacks.items()})

    def forward(self, batch: Batch) -> Float[Tensor, "B T D"]:
        """Return the last hidden states: of the decoder where there is one, else of the encoder."""
        enc, dec = batch.enc, batch.dec
        memory = self.encode(enc) if enc is not None and self.config.encoder is not None else None
        if memory is not None and self.config.decoder is None:
            return memory.states
        assert dec is not None, "a batch without the stream that the model reads"
        return self.decode(dec, memory)

    def encode(self, stream: Stream) -> Memory:
        """Return the encoder's last hidden states [B, S, D], and the places of its tokens."""
        x = self.inputs["encoder"](self.tokens(stream.ids), stream.positions, stream.types)
        places = where(stream)
        return Memory(self.encoder(x, places, stream.plain), places)

    def decode(
        self, stream: Stream, memory: Memory | None = None, cache: KVCache | Crowd | None = None
    ) -> Float[Tensor, "B T D"]:
        """Return the decoder's last hidden states. With a cache it reads the cache's memory."""
        x = self.inputs["decoder"](self.tokens(stream.ids), stream.positions, stream.types)
        return self.decoder(x, where(stream), stream.plain, memory, cache)

    def logits(self, hidden: Float[Tensor, "*B D"]) -> Float[Tensor, "*B V"]:
        """Return the logits over the vocabulary, float32."""
        return self.head(hidden)
