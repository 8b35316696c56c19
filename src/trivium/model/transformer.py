"""The whole model: embed -> encoder stack? -> decoder stack? -> head.

An encoder alone is of BERT's family, a decoder alone of GPT's and LLaMA's, both together of T5's and BART's.
"""

from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from trivium.base.batch import Batch, Stream
from trivium.model.attention.cache import KVCache, Memory
from trivium.model.attention.crowd import Crowd
from trivium.model.attention.pattern import Where
from trivium.model.config import ModelConfig
from trivium.model.device import Placed
from trivium.model.init import initialise
from trivium.model.stack import Stack


class Transformer(Placed):
    """Maps a Batch to hidden states, and hidden states to logits."""

    tokens: nn.Embedding
    encoder: Stack
    decoder: Stack

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocab_size, config.hidden_size) if config.texts else None  # type: ignore
        self.inputs, crossed = nn.ModuleDict(), config.memory_size if config.cross else 0
        for name, stack in config.stacks.items():
            place = config.width(name), config.context, stack.position[0], stack.dropout
            self.inputs[name] = config.reads(name).build(*place)
        kernel = config.kernel.ready(next(self.parameters()).is_meta)
        for name, stack in config.stacks.items():
            setattr(self, name, Stack(stack, config.width(name), kernel, crossed if name == "decoder" else 0))
        self.project = nn.Linear(config.width("encoder"), config.hidden_size) if config.projects else nn.Identity()
        table = self.tokens.weight if config.tie and config.texts else None
        self.head = config.head.build(config.hidden_size, config.vocab_size, table)  # type: ignore[arg-type]
        initialise(self, config.init, config.hidden_size, {name: s.layers for name, s in config.stacks.items()})

    def forward(self, batch: Batch, both: bool = False) -> Any:
        """Return the last hidden states [B, T, D] of the decoder, else the encoder; with `both`, then those of both."""
        enc, dec = batch.enc, batch.dec
        memory = self.encode(enc) if enc is not None and self.config.encoder is not None else None
        if memory is not None and self.config.decoder is None:
            return memory.states
        assert dec is not None, "a batch without the stream that the model reads"
        hidden = self.decode(dec, memory)
        return (hidden, memory.states) if both and memory is not None else hidden

    def encode(self, stream: Stream) -> Memory:
        """Return the encoder's last hidden states [B, S, D], at the decoder's width, and the places of its tokens."""
        x, where = self.inputs["encoder"](stream, self.tokens), Where.of(stream)
        return Memory(self.project(self.encoder(x, where, stream.plain)), where)

    def decode(
        self, stream: Stream, memory: Memory | None = None, cache: KVCache | Crowd | None = None
    ) -> Float[Tensor, "B T D"]:
        """Return the decoder's last hidden states. With a cache it attends to the cache's memory; see also `cross`."""
        given = None if memory is None or self.config.cross else memory.states[memory.where.document > 0]  # N D
        x = self.inputs["decoder"](stream, self.tokens, given, self.config.image_token)
        return self.decoder(x, Where.of(stream), stream.plain, memory, cache)

    def logits(self, hidden: Float[Tensor, "*B D"]) -> Float[Tensor, "*B V"]:
        """Return the logits over the vocabulary, float32."""
        return self.head(hidden)
