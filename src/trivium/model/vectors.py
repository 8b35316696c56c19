"""How a model makes the vector of a text: what stands before the text, where it is cut, which states are pooled."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from trivium.base.config import Config, Tiled, parse
from trivium.base.errors import ConfigError
from trivium.base.types import Pooling
from trivium.model.config import ModelConfig
from trivium.model.layer.score import SentenceEmbedding


class Vectors(Config):
    """The fields stand in sentence-transformers' files, some under other names."""

    pool: Tiled[Pooling] | None = None
    """The states that become the vector, one behind the other; None is those of the head, or of the family."""
    normalise: bool = True
    """Whether a vector is divided by its length."""
    length: int | None = Field(None, gt=0)
    """The most tokens of a text, special tokens included (`max_seq_length`); None is the context."""
    lower: bool = False
    """Whether a text is read in small letters (`do_lower_case`)."""
    prompts: Mapping[str, str] = {}
    """Texts that may stand in front of a text, by name."""
    prompt: str | None = None
    """The name of the prompt that stands there unless another is chosen (`default_prompt_name`)."""
    include_prompt: bool = True
    """Whether the states of the prompt are pooled too."""
    similarity: str | None = None
    """How vectors are to be compared (`similarity_fn_name`); a note for other tools."""

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "Vectors":
        """Return what trivium.json says of vectors."""
        older = {"pool": record["pool"]} if "pool" in record else {}
        return parse(cls, {**older, **record.get("vectors", {})}, "trivium.json: vectors")

    def prefix(self, name: str | None) -> str:
        """Return the text of a prompt, the usual one for None; an unknown name is a ConfigError."""
        if name is None:
            name = self.prompt
        if name is not None and name not in self.prompts:
            known = ", ".join(self.prompts) or "none"
            raise ConfigError(f"prompt {name!r}: the model has no such prompt; known: {known}")
        return "" if name is None else self.prompts[name]


def usual_pool(config: ModelConfig) -> tuple[Pooling, ...]:
    """Return the pooling of the head, else the mean of an encoder's states or the last of a decoder's."""
    if isinstance(config.head, SentenceEmbedding):
        return config.head.pool
    return ("mean",) if config.encoder is not None else ("last",)
