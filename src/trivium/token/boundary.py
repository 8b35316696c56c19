"""Which ids begin a word and which end a sentence: tables by id, for objectives that mask words or move sentences.

Knows the bytes that ids stand for; refuses to know tokenizers, objectives and grammar. Writing without spaces
between words (Chinese, Japanese) has a word begin with each character.
"""

from collections.abc import Mapping, Sequence

import numpy as np

LETTERS = frozenset(b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'")
ENDS = tuple(mark.encode() for mark in (".", "!", "?", "…", "。", "！", "？", "\n"))
CLOSING = b"\"')]} \t\r"


def word_starts(pieces: Sequence[bytes]) -> np.ndarray:
    """For each id, whether a word begins with it: a space, a mark, or a character that is a word by itself."""
    return np.array([not piece or _starts(piece[0]) for piece in pieces], dtype=bool)


def _starts(byte: int) -> bool:
    if byte >= 0x80:  # the first byte of a character, or one inside of it; 0xE3 to 0xE9 lead kana and ideographs
        return 0xE3 <= byte <= 0xE9
    return byte not in LETTERS


def sentence_ends(pieces: Sequence[bytes]) -> np.ndarray:
    """For each id, whether a sentence may end with it."""
    return np.array([piece.rstrip(CLOSING).endswith(ENDS) for piece in pieces], dtype=bool)


def plain_pieces(ids: Mapping[str, int]) -> list[bytes]:
    """The bytes that ids stand for where names are no bytes: words continue with `##`, or begin with `▁`."""
    continued = any(name.startswith("##") for name in ids)
    table = [b""] * (max(ids.values()) + 1)
    for name, index in ids.items():
        text = name.removeprefix("##") if name.startswith("##") else f" {name}" if continued else name
        table[index] = text.replace("▁", " ").encode("utf-8", "replace")
    return table
