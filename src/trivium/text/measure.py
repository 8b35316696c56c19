"""How well a tokenizer fits text: bytes per token, and whether everything comes back."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from trivium.text.sources import read
from trivium.text.tokenizer import Tokenizer


class Measure(NamedTuple):
    """Sums over documents; `changed` counts those that encoding and decoding does not give back."""

    documents: int
    bytes: int
    tokens: int
    changed: int


def measure(folder: str | Path, sources: Sequence[str | Path]) -> Measure:
    """Encode and decode every document of the sources."""
    tokenizer = Tokenizer.load(folder)
    documents = size = tokens = changed = 0
    for document in read(sources):
        ids = tokenizer.encode(document.text)
        documents += 1
        size += len(document.text.encode())
        tokens += len(ids)
        changed += tokenizer.decode(ids) != document.text
    return Measure(documents, size, tokens, changed)
