"""What the tests of this room share: a small tokenizer, trained once."""

import pytest

from trivium.token.tokenizer import Tokenizer

TEXT = "the user says what abs does and returns absolute values of numbers 中文 测试 naïve café für 😀"
WORDS = TEXT.split()


def corpus(lines: int = 400) -> list[str]:
    """A text that allows some hundred merges, the same everywhere."""
    return [" ".join(WORDS[(i * 7 + j * j) % len(WORDS)] + "s" * (i % 3) for j in range(12)) for i in range(lines)]


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return Tokenizer.train(corpus(), 448)
