"""Piece: a token as a person reads it. What is no whole character is shown as its bytes, never as a box."""

from trivium.token.tokenizer import Tokenizer

SIGNS = {" ": "\u00b7", "\n": "\u21b5", "\t": "\u21e5"}
"""What white space looks like on one line."""


def text_of(tokenizer: Tokenizer, token: int) -> str:
    r"""Return the text of a token, or the name of a special one; bytes of a part of a character look like \xe5."""
    return tokenizer.raw(token).decode("utf-8", "backslashreplace")


def visible(tokenizer: Tokenizer, token: int) -> str:
    """Return a token on one line, white space and what cannot be printed visible."""
    return "".join(SIGNS.get(char) or _printed(char) for char in text_of(tokenizer, token))


def _printed(char: str) -> str:
    return char if char.isprintable() else char.encode("unicode_escape").decode()
