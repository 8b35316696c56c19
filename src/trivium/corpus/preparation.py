"""Preparation: everything one may choose about the way from text to ids."""

from pydantic import Field

from trivium.base.config import Config, Seq
from trivium.corpus.clean.clean import Cleaning
from trivium.corpus.clean.filter import Filter, Light
from trivium.corpus.duplicates.cluster import Near
from trivium.corpus.duplicates.contaminate import Contamination
from trivium.corpus.read.reading import Reading

SAMPLE_BYTES = 2000
"""Text for each token of a vocabulary: 2.4 times as much of prose gives 0.8 % fewer tokens, for twice the time."""


class Preparation(Config):
    """What is done to a corpus on its way to ids."""

    reading: Reading = Reading()
    cleaning: Cleaning = Cleaning()
    filter: Filter = Light()
    languages: Seq[str] | None = None
    """The languages that are kept, by code; None keeps them all."""
    contamination: Contamination = Contamination()
    """The evaluation files whose texts must not stand in the data."""
    near: Near | None = Near()
    """How near duplicates are found; None leaves only exact ones out."""
    paragraphs: bool = False
    """Whether a long paragraph that stands in another document already is left out."""
    sentence_lines: bool = False
    """Whether every sentence gets a line of its own."""
    tokenizer: str | None = None
    """A tokenizer folder or file to use, or `bytes`; None trains one."""
    vocab_size: int = Field(8192, gt=0)
    tokenizer_bytes: int | None = Field(None, gt=0)
    """The tokenizer is trained on so many bytes, drawn by hash from larger corpora; None is 2,000 for each token."""
    valid_share: float = Field(0.05, ge=0, lt=1)
    """The share of documents that is held out."""
    shards: int | None = Field(None, ge=1)
    """Into how many shards the work is divided; None chooses by size, and keeps what a data folder was begun with."""

    @property
    def sample_bytes(self) -> int:
        """On how much text the tokenizer is trained at most."""
        return self.tokenizer_bytes or SAMPLE_BYTES * self.vocab_size


LATER = {"tokenizer", "vocab_size", "tokenizer_bytes", "valid_share", "shards"}
"""Fields that make no difference to reading a shard."""
