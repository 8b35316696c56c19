"""How texts are laid before small models: what tests of a head's examples begin with."""

from trivium.token.frame import Frame
from trivium.token.layout import Layout
from trivium.token.tokenizer import Tokenizer

BYTES = Tokenizer.bytes()


def layout(length: int = 64, family: str = "encoder") -> Layout:
    """A layout of bytes between `<s>` and `</s>`."""
    return Layout(BYTES, Frame((1,), (2,), (2,)), family, length)
