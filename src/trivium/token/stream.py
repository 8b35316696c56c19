"""Streaming decoder: ids go in one by one, text comes out as soon as it is final."""

import codecs
from collections.abc import Callable, Sequence


class DecodeStream:
    """Decode ids one at a time. All pieces of text joined are the decoding of all ids.

    `pieces` are the bytes of each id of a byte-level tokenizer; without them the ids held back are decoded again.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str], pieces: Sequence[bytes] | None) -> None:
        self._decode, self._pieces = decode, pieces
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")
        self._held: list[int] = []
        self._shown = 0

    def push(self, index: int) -> str:
        """Take one id; return the text that it completes, which may be empty."""
        if self._pieces is not None:
            return self._utf8.decode(self._pieces[index])
        self._held.append(index)
        text = self._decode(self._held)
        return "" if text.endswith("\ufffd") else self._show(text)

    def flush(self) -> str:
        """Return the text that is still held back: half a character, as U+FFFD."""
        return self._utf8.decode(b"", final=True) if self._pieces is not None else self._show(self._decode(self._held))

    def _show(self, text: str) -> str:
        new, self._shown = text[self._shown :], max(self._shown, len(text))
        return new
