"""The fast encoder is used only where it gives the reference's ids; anything else falls back, and says so."""

import json
import logging

import pytest
import tokenizers

from trivium.base.errors import DataError
from trivium.token import fast as room
from trivium.token.fast import fast, growth
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


def altered(folder, **changes):
    """A tokenizer folder of a person who means no good."""
    (folder / "tokenizer.json").write_text(json.dumps({**TREE, **changes}))
    return folder


def split_by(pattern):
    last = TREE["pre_tokenizer"]
    split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    return {"type": "Sequence", "pretokenizers": [split, last]}


def test_a_regular_expression_that_tries_too_much_is_one_line(tmp_path):
    tokenizer = Tokenizer.load(altered(tmp_path, pre_tokenizer=split_by(r"(a+)+$")))
    assert tokenizer.encode("plain")
    for read in (tokenizer.encode, tokenizer.spans, lambda text: tokenizer.encode_batch([text])):
        with pytest.raises(DataError, match=r"^the tokenizer failed: .*limit") as wrong:
            read("a" * 40 + "!")
        assert "\n" not in str(wrong.value)


def replace(old, new):
    return {"type": "Replace", "pattern": old, "content": new}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"normalizer": {"type": "Sequence", "normalizers": [replace({"String": "a"}, "aa")] * 25}},
            r"3\.36e\+07 times",
        ),
        (
            {"normalizer": {"type": "Prepend", "prepend": "x" * 5000}},
            r"up to 5e\+03 times as long; expected at most 1,000",
        ),
        ({"normalizer": replace({"Regex": "."}, "x" * 2000)}, "2e[+]03 times"),
        ({"normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAA"}}, "precompiled_charsmap"),
        ({"pre_tokenizer": split_by("((((")}, "Oniguruma error"),
    ],
)
def test_a_folder_that_would_fill_the_memory_or_cannot_be_read_is_refused(tmp_path, changes, message):
    with pytest.raises(DataError, match=rf"tokenizer\.json: cannot be read as a tokenizer: .*{message}"):
        Tokenizer.load(altered(tmp_path, **changes))


def test_normalizers_of_well_meant_folders_are_short(tmp_path):
    known = {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, replace({"String": " "}, "▁")]}
    assert growth(known) == 1 and growth(None) == 1 and growth({"type": "NFKC"}) == 1
    assert growth(replace({"String": "\n"}, "<n>")) == 3 and growth(replace({"Regex": " {2,}"}, " ")) == 1
