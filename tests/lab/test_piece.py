"""A token is shown as text where it is text, and as its bytes where it is a part of a character."""

import json

import pytest

from trivium.lab.piece import text_of, visible
from trivium.token.tokenizer import Tokenizer

BYTES = Tokenizer.bytes()
VOCABULARY = {"<unk>": 0, "<0xE5>": 1, "<0xA4>": 2, "\u2581sky": 3, "\u5929": 4, "y": 5}
FALLBACK = Tokenizer(
    json.dumps(
        {
            "version": "1.0",
            "added_tokens": [],
            "normalizer": None,
            "pre_tokenizer": {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "first", "split": True},
            "decoder": {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "first", "split": True},
            "model": {"type": "BPE", "vocab": VOCABULARY, "merges": [], "byte_fallback": True, "unk_token": "<unk>"},
        }
    )
)


def test_the_bytes_of_a_character_are_shown_and_rebuild_it() -> None:
    ids = BYTES.encode("a\u5929 \n")
    assert [text_of(BYTES, one) for one in ids] == ["a", "\\xe5", "\\xa4", "\\xa9", " ", "\n"]
    assert [visible(BYTES, one) for one in ids[-2:]] == ["\u00b7", "\u21b5"]
    assert b"".join(map(BYTES.raw, ids)).decode() == "a\u5929 \n"
    assert visible(BYTES, BYTES.id_of("<|user|>")) == "<|user|>"


@pytest.mark.parametrize(("token", "shown"), [(1, "\\xe5"), (3, "\u00b7sky"), (4, "\u5929"), (5, "y"), (0, "<unk>")])
def test_tokenizers_with_byte_fallback_keep_their_spaces(token: int, shown: str) -> None:
    assert visible(FALLBACK, token) == shown and "\ufffd" not in text_of(FALLBACK, token)


def test_what_cannot_be_printed_is_escaped() -> None:
    assert [visible(BYTES, one) for one in BYTES.encode("\x07\t")] == ["\\x07", "\u21e5"]
