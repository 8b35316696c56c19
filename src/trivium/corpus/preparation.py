"""Preparation: all options on the way from text to ids."""

from pydantic import Field, ValidationInfo, field_validator

from trivium.base.config import Config, Seq
from trivium.corpus.clean.clean import Cleaning
from trivium.corpus.clean.filter import Filter, Light
from trivium.corpus.duplicates.contaminate import Contamination
from trivium.corpus.duplicates.signature import Near
from trivium.corpus.read.reading import Reading
from trivium.token.bpe import ROUND, SMALLEST, USUAL

SAMPLE_BYTES = 2000
"""Bytes of text per token of a vocabulary. With 2.4 times as much, prose has 0.8 % fewer tokens, for twice the time."""


class Preparation(Config):
    """The options of preparing a corpus."""

    reading: Reading = Reading()
    """How sources are read."""
    cleaning: Cleaning = Cleaning()
    """How texts are cleaned."""
    filter: Filter = Light()
    """Which documents are dropped."""
    languages: Seq[str] | None = None
    """The languages to keep, by code; None keeps all."""
    contamination: Contamination = Contamination()
    """The evaluation files whose texts must not be in the data."""
    near: Near | None = Near()
    """How near duplicates are found; None drops only exact ones."""
    paragraphs: bool = False
    """Whether to drop a long paragraph that occurs in another document."""
    sentence_lines: bool = False
    """Whether to write every sentence on a line of its own."""
    tokenizer: str | None = None
    """A tokenizer folder or file to use, or `bytes`; None trains one."""
    vocab_size: int | None = Field(None, gt=0, lt=1 << 31)
    """Tokens of a new tokenizer, special tokens included; None is 8,192, or as many as a small text gives."""
    tokenizer_bytes: int | None = Field(None, gt=0)
    """Bytes of text that the tokenizer is trained on, drawn by hash; None is 2,000 for each token."""
    valid_share: float = Field(0.05, ge=0, lt=1)
    """The share of documents that is held out."""
    shards: int | None = Field(None, ge=1)
    """The number of shards of the work; None chooses it by size, or keeps that of an existing data folder."""

    @field_validator("vocab_size")
    @classmethod
    def _possible(cls, size: int | None, known: ValidationInfo) -> int | None:
        if size is not None and known.data.get("tokenizer") is None and (size % ROUND or size < SMALLEST):
            near = max(SMALLEST, round(size / ROUND) * ROUND)
            raise ValueError(f"expected a multiple of {ROUND}, at least {SMALLEST}, found {size}; try {near}")
        return size

    @property
    def sample_bytes(self) -> int:
        """The most bytes that the tokenizer is trained on."""
        return self.tokenizer_bytes or SAMPLE_BYTES * (self.vocab_size or USUAL)


LATER = {"tokenizer", "vocab_size", "tokenizer_bytes", "valid_share", "shards"}
"""Fields that reading a shard does not depend on."""
