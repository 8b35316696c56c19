"""The fast encoder is used only where it gives the reference's ids; anything else falls back, and says so."""

import json
import logging

import pytest
import tokenizers

from trivium.token import fast as room
from trivium.token.fast import fast
from trivium.token.tokenizer import Tokenizer

TREE = json.loads(Tokenizer.bytes().json)


def reference() -> tokenizers.Tokenizer:
    made = tokenizers.Tokenizer.from_str(json.dumps(TREE))
    made.encode_special_tokens = True
    return made


def test_a_tokenizer_of_ours_is_encoded_fast() -> None:
    encoder = fast(TREE, reference())
    assert encoder is not None
    assert encoder.encode("<s> 猫").ids == reference().encode("<s> 猫", add_special_tokens=False).ids


def test_one_different_id_is_enough_to_fall_back(caplog: pytest.LogCaptureFixture) -> None:
    other = json.loads(json.dumps(TREE))
    vocab = other["model"]["vocab"]
    vocab["a"], vocab["b"] = vocab["b"], vocab["a"]
    with caplog.at_level(logging.WARNING):
        assert fast(other, reference()) is None
    assert "differ on" in caplog.text


def test_a_model_it_cannot_read_falls_back(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    class Refuses:
        @staticmethod
        def from_json_str(text: str) -> None:
            raise ValueError("no such model")

    monkeypatch.setattr(room.fastokens, "Tokenizer", Refuses)
    with caplog.at_level(logging.WARNING):
        assert fast(TREE, reference()) is None
    assert "no such model" in caplog.text


def test_without_the_package_the_reference_encodes(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "The <s> of 猫\n"
    expected = Tokenizer.bytes().encode_batch([text])
    monkeypatch.setattr(room, "fastokens", None)
    assert fast(TREE, reference()) is None
    room.encoders.cache_clear()
    try:
        slow = Tokenizer.bytes()
        found = slow.encode_batch([text])
    finally:
        room.encoders.cache_clear()
    assert slow._fast is None and [a.tolist() for a in found] == [a.tolist() for a in expected]


def test_the_samples_name_every_control_token() -> None:
    names = ("<s>", "<|user|>")
    assert all(any(name in text for text in room._samples(names)) for name in names)
