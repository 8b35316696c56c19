"""Measure tokenizers on text: bytes per token, and whether decoding restores the text; in all, by language, by source.

Several tokenizers are measured on the same documents, so that their numbers can be compared.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from trivium.base.log import columns
from trivium.base.types import Document
from trivium.corpus.clean.language import identify
from trivium.corpus.read.reading import PLAIN, Counts, Reading, kind
from trivium.corpus.read.sources import read
from trivium.token.tokenizer import Tokenizer

BATCH_DOCUMENTS = 128


@dataclass
class TokenCount:
    """A group of documents, and the counts of each tokenizer on it."""

    documents: int
    bytes: int
    tokens: list[int]
    changed: list[int]


Table = dict[tuple[str, str], TokenCount]
"""Groups by ("all", ""), ("language", code) and ("source", name)."""


def compare(
    folders: Sequence[str | Path],
    sources: Sequence[str | Path],
    reading: Reading | None = None,
    counts: Counts | None = None,
) -> Table:
    """Measure several tokenizers on every document of the sources; the largest groups come first.

    `counts` takes the reasons of repairs, and of files and rows left out.
    """
    tokenizers = [Tokenizer.load(folder) for folder in folders]
    table: Table = defaultdict(lambda: TokenCount(0, 0, [0] * len(tokenizers), [0] * len(tokenizers)))
    table["all", ""].documents = 0  # this group is there even without a document
    documents = read(sources, reading, counts)
    while batch := list(islice(documents, BATCH_DOCUMENTS)):
        texts = [document.text for document in batch]
        found = [list(_encoded(tokenizer, texts)) for tokenizer in tokenizers]
        for number, document in enumerate(batch):
            size = len(document.text.encode())
            for name in (("all", ""), ("language", identify(document.text)), ("source", _source(document))):
                group = table[name]
                group.documents += 1
                group.bytes += size
                for at, results in enumerate(found):
                    group.tokens[at] += results[number][0]
                    group.changed[at] += results[number][1]
    kinds = ["all", "language", "source"]
    return dict(sorted(table.items(), key=lambda item: (kinds.index(item[0][0]), -item[1].bytes, item[0][1])))


def lines(names: Sequence[str], table: Table) -> Iterator[str]:
    """Yield a table as text: bytes per token of each tokenizer, and the share of documents that decoding restores."""
    rows = [("", "documents", "bytes", *names)]
    for (what, name), group in table.items():
        cells = (
            f"{group.bytes / max(tokens, 1):.3f} ({1 - changed / max(group.documents, 1):.1%})"
            for tokens, changed in zip(group.tokens, group.changed, strict=True)
        )
        rows.append((what if what == "all" else f"  {name}", f"{group.documents:,}", f"{group.bytes:,}", *cells))
    return columns(rows)


def _encoded(tokenizer: Tokenizer, texts: Sequence[str]) -> Iterator[tuple[int, bool]]:
    """Yield for each text its number of tokens, and whether decoding changes it."""
    ids, offsets = tokenizer.encode_batch(texts)
    for text, start, stop in zip(texts, offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
        yield stop - start, tokenizer.decode(ids[start:stop].tolist()) != text


def _source(document: Document) -> str:
    """Return the file of a row, or the folder of a text that is a whole file."""
    path = Path(document.source)
    return (path.parent.name or "." if kind(path) in PLAIN else path.name) or document.source
