"""Duplicates of a list of documents, found in the plainest way: what `prepare` decides must equal this."""

import numpy as np

from trivium.corpus.duplicates.cluster import alike, digest, pairs, why
from trivium.corpus.duplicates.shingle import normal
from trivium.corpus.duplicates.signature import signatures


def duplicates(documents, near=None):
    """Return why each duplicate of ((source, id), text) is dropped, by its key; near duplicates only with `near`."""
    documents = sorted(documents)
    keys, texts = [key for key, _ in documents], [normal(text) for _, text in documents]
    names = [":".join(key) for key in keys]
    signed = ()
    if near:
        bands, known = signatures(texts, near)
        signed = (known, bands.T)
    first, neighbour = alike(pairs([digest(text) for text in texts]), *signed)
    return {
        keys[i]: why(names[first[i]], names[neighbour[i]] if neighbour[i] >= 0 else None)
        for i in np.flatnonzero(first >= 0).tolist()
    }
