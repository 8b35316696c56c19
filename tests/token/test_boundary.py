"""Where words begin and sentences end, by id."""

from pathlib import Path

import pytest

from trivium.token.boundary import plain_pieces, sentence_ends, word_starts
from trivium.token.tokenizer import Tokenizer

RULES = Path(__file__).parents[2] / "CONTRIBUTING.md"


@pytest.mark.parametrize(
    ("piece", "starts"),
    [
        (" the", True),
        ("the", False),
        ("'t", False),
        ("ing", False),
        (",", True),
        (" (", True),
        ("\n", True),
        ("7", False),
        ("é", False),
        ("д", False),
        ("語", True),
        ("の", True),
        ("", True),
    ],
)
def test_a_word_begins_with_a_space_a_mark_or_an_ideograph(piece: str, starts: bool) -> None:
    assert word_starts([piece.encode()])[0] == starts


@pytest.mark.parametrize(
    ("piece", "ends"),
    [
        (".", True),
        ('."', True),
        ("!) ", True),
        ("…", True),
        ("。", True),
        ("\n\n", True),
        (" end", False),
        (",", False),
        ("", False),
        (".5", False),
    ],
)
def test_a_sentence_ends_with_its_mark_or_its_line(piece: str, ends: bool) -> None:
    assert sentence_ends([piece.encode()])[0] == ends


def test_word_pieces_and_sentence_pieces_say_it_by_their_names() -> None:
    words = plain_pieces({"un": 0, "##able": 1, "[MASK]": 2})
    assert words == [b" un", b"able", b" [MASK]"] and word_starts(words).tolist() == [True, False, True]
    assert plain_pieces({"▁un": 0, "able": 1}) == [b" un", b"able"]


def test_words_of_byte_level_tokens_are_words_of_the_text() -> None:
    text = "the cat sat on the mat, and the dog didn't like it"
    for tokenizer in (Tokenizer.bytes(), Tokenizer.train([RULES.read_text()], 512)):
        starts = tokenizer.vocabulary.word_start
        words: list[list[int]] = []
        for index in tokenizer.encode(text):
            if starts[index] or not words:
                words.append([])
            words[-1].append(index)
        assert [tokenizer.decode(word).strip() for word in words] == text.replace(",", " ,").split()
