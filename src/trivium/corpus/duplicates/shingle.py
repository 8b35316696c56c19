"""Shingles: the words of a text as numbers, and the hashes of all runs of n words (Broder 1997).

Near duplicates, overlaps with evaluation texts and repetitions are found by them. In `words`, each letter of a script
without spaces is a word.
"""

import re
import unicodedata
from collections.abc import Iterable

import numpy as np
import xxhash

_LETTERS = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_LETTERS += "\U00020000-\U0003ffff"
WIDE = re.compile(f"[{_LETTERS}]")
"""A letter of a script that writes no spaces between words."""
_WORD = re.compile(f"[{_LETTERS}]|[^\\W{_LETTERS}]+")


def normal(text: str) -> str:
    """Return the text without differences of case, spacing and composition."""
    if text.isascii():
        return " ".join(text.lower().split())
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def codepoints(text: str) -> np.ndarray:
    """Return the characters of a text as numbers: u8 for ASCII, else u32."""
    if text.isascii():
        return np.frombuffer(text.encode(), np.uint8)
    return np.frombuffer(text.encode("utf-32-le", "replace"), np.uint32)


def words(text: str) -> np.ndarray:
    """Return a hash (u64) of each word of a normal text, and of each letter of scripts without spaces."""
    found = _WORD.findall(text)
    once = {word: xxhash.xxh3_64_intdigest(word.encode("utf-8", "replace")) for word in set(found)}
    return np.fromiter(map(once.__getitem__, found), np.uint64, len(found))


def runs(units: np.ndarray, run: int) -> np.ndarray:
    """Return a hash (u64) of every `run` consecutive units; fewer units than that are one run."""
    run = min(run, len(units))
    size = len(units) - run + 1
    return joined((units[i : size + i] for i in range(run)), size)


def joined(columns: Iterable[np.ndarray], size: int) -> np.ndarray:
    """Return one hash (u64) for each row of these columns: a polynomial, then `mix`."""
    hashes = np.zeros(size, dtype=np.uint64)
    for column in columns:
        grow(hashes, column)
    return mix(hashes)


def grow(hashes: np.ndarray, column: np.ndarray) -> None:
    """Add one more unit to each polynomial, in place; `mix` makes hashes of them."""
    hashes *= np.uint64(0x9E3779B97F4A7C15)
    hashes += column
    hashes += np.uint64(1)


def mix(value: np.ndarray) -> np.ndarray:
    """Spread 64 bits over 64 bits (the finaliser of splitmix64)."""
    value = value + np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))
