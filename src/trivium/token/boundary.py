"""Boundaries: which ids begin a word and which end a sentence, for objectives that mask words or move sentences.

Knows the bytes that ids stand for, and no grammar. In writing without spaces between words (Chinese, Japanese), each
character begins a word.
"""

from collections.abc import Mapping, Sequence

import numpy as np

LETTERS = frozenset(b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'")
ENDS = tuple(mark.encode() for mark in (".", "!", "?", "…", "。", "！", "？", "\n"))
CLOSING = b"\"')]} \t\r"
Piece = bytes
Pieces = list[Piece]


def word_starts(pieces: Sequence[bytes]) -> np.ndarray:
    """Return for each id whether a word begins with it (bool [V]): at a space, a mark, or a character that is a word.

    0xE3 to 0xE9 are the first bytes of kana and ideographs; other bytes from 0x80 on continue a word.
    """

    def starts(byte: int) -> bool:
        return 0xE3 <= byte <= 0xE9 if byte >= 0x80 else byte not in LETTERS

    return np.array([not piece or starts(piece[0]) for piece in pieces], dtype=bool)


def sentence_ends(pieces: Sequence[bytes]) -> np.ndarray:
    """Return for each id whether a sentence may end with it (bool [V])."""
    return np.array([piece.rstrip(CLOSING).endswith(ENDS) for piece in pieces], dtype=bool)


def byte_pieces(ids: Mapping[str, int]) -> Pieces:
    """Return the bytes of each id of a byte-level vocabulary, which writes each byte as a printable character."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [byte for byte in range(256) if byte not in plain]
    back = {chr(byte): byte for byte in plain} | {chr(256 + i): byte for i, byte in enumerate(rest)}
    table = [b""] * (max(ids.values()) + 1)
    for name, index in ids.items():
        known = all(char in back for char in name)
        table[index] = bytes(back[char] for char in name) if known else name.encode()
    return table


def plain_pieces(ids: Mapping[str, int]) -> Pieces:
    """Return the bytes of each id of any other vocabulary: words continue with `##`, or begin with `▁`."""
    continued = any(name.startswith("##") for name in ids)
    table = [b""] * (max(ids.values()) + 1)
    for name, index in ids.items():
        text = name.removeprefix("##") if name.startswith("##") else f" {name}" if continued else name
        table[index] = text.replace("▁", " ").encode("utf-8", "replace")
    return table
