"""Tokenizers that the tests of this room share: one small and trained, one of bytes, one of WordPiece."""

import pytest
import tokenizers
from tokenizers import decoders, models, pre_tokenizers

from trivium.token.tokenizer import Tokenizer

TEXT = "the user says what abs does and returns absolute values of numbers 中文 测试 naïve café für 😀"
WORDS = TEXT.split()


def corpus(lines: int = 400) -> list[str]:
    """A text that allows some hundred merges, the same everywhere."""
    return [" ".join(WORDS[(i * 7 + j * j) % len(WORDS)] + "s" * (i % 3) for j in range(12)) for i in range(lines)]


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return Tokenizer.train(corpus(), 448)


@pytest.fixture(scope="module", params=["trained", "bytes"])
def any_tokenizer(request, tokenizer):
    return tokenizer if request.param == "trained" else Tokenizer.bytes()


def word_piece():
    vocab = {
        name: i for i, name in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[", "]", "MASK", "a", "##b"])
    }
    hf = tokenizers.Tokenizer(models.WordPiece(vocab, unk_token="[UNK]"))
    hf.pre_tokenizer, hf.decoder = pre_tokenizers.BertPreTokenizer(), decoders.WordPiece()
    hf.add_special_tokens(list(vocab)[:5])
    hf.enable_truncation(4)
    hf.enable_padding(length=4)
    return hf
