"""The texts of a certificate: of a file, of the held-out documents of a data folder, or those that stand here."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from trivium.base.errors import DataError
from trivium.corpus.read.reading import PLAIN, Counts, Reading
from trivium.corpus.read.sources import documents
from trivium.corpus.read.text import TextFile
from trivium.data.shards import Corpus
from trivium.token.tokenizer import Tokenizer

TEXTS = (
    "Once upon a time there was a miller who had three sons and a cat.",
    "def area(width, height):\n    return width * height",
    "The train leaves at 7:45, and it's 312 km to the coast.",
    "从前有一座山，山里有一座小庙。",
    "What is the difference between a list and a tuple?",
    "Der Fluß war schmal; naïve Café-Gäste saßen am Ufer.",
    "It rained.",
    "In the first year the town had twelve houses, one well and no road. In the second year the road came, and with it "
    "the mail, the doctor and a man who sold clocks. Nobody in the town had ever needed to know the hour before.",
)
"""Texts of several kinds and lengths, for a model without texts of its own."""
LONGEST = 2000
"""The most characters of a text that are looked at."""


def texts_of(source: Path | None, count: int) -> list[str]:
    """Return at most `count` texts: lines of a text file, rows of a table, held-out documents of a data folder.

    A DataError says where a source has none.
    """
    found = list(islice(_texts(source), count)) if source else list(TEXTS[:count])
    if not found:
        raise DataError(f"{source}: expected texts, found none; a data folder needs held-out documents")
    return found


def _texts(source: Path) -> Iterator[str]:
    if source.is_dir():
        tokenizer = Tokenizer.load(source / "tokenizer")
        found: Iterator[str] = (tokenizer.decode(ids[:LONGEST].tolist()) for ids in Corpus(source, "valid").documents())
    elif source.suffix in PLAIN:
        found = (line for _, line in TextFile(source, Reading(), Counts()).lines())
    else:
        found = (document.text for document in documents(TextFile(source, Reading(), Counts())))
    yield from (text.strip()[:LONGEST] for text in found if text.strip())
