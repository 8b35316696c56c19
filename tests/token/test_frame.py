"""Frames are read from a tokenizer.json, written to one, and stock tokenizers frame alike."""

import json

import pytest

from trivium.token.frame import Frame, default_frame, read_frame, with_frame
from trivium.token.tokenizer import Tokenizer

transformers = pytest.importorskip("transformers", reason="transformers is the oracle of these tests")


@pytest.mark.parametrize("family", ["encoder", "decoder", "encoder_decoder"])
@pytest.mark.parametrize("types", [False, True])
def test_stock_tokenizers_frame_alike(family, types, tmp_path):
    plain = Tokenizer.bytes()
    frame = default_frame(plain, family, pad_starts=True, types=types)
    assert read_frame(plain) is None
    written = with_frame(plain, frame)
    assert read_frame(written) == frame or not (frame.before or frame.after)
    assert written.identity == plain.identity and written.encode("a </s> b") == plain.encode("a </s> b")
    written.save(tmp_path)
    stock = transformers.AutoTokenizer.from_pretrained(tmp_path)
    for texts in (["hello"], ["one", "two words"]):
        ids, kinds, _ = frame.lay([plain.encode(text) for text in texts])
        found = stock(*texts, return_token_type_ids=True)
        assert found["input_ids"] == ids.tolist() and found["token_type_ids"] == kinds.tolist()


def test_where_the_parts_lie():
    ids, types, starts = Frame((1,), (2,), (2, 2), 1).lay([[7, 8], [9]])
    assert ids.tolist() == [1, 7, 8, 2, 2, 9, 2]
    assert types.tolist() == [0, 0, 0, 0, 0, 1, 1] and starts == [1, 5]
    assert Frame((1,), (2,), (2, 2), 1).size(2) == 4


def test_a_stock_post_processor_is_believed():
    plain = Tokenizer.bytes()
    roberta = {
        "type": "RobertaProcessing",
        "sep": ["</s>", 2],
        "cls": ["<s>", 1],
        "trim_offsets": True,
        "add_prefix_space": False,
    }
    tree = {**json.loads(plain.json), "post_processor": roberta}
    assert read_frame(Tokenizer(json.dumps(tree), plain.config)) == Frame((1,), (2,), (2, 2), 0)
    only_offsets = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True}
    assert read_frame(Tokenizer(json.dumps({**tree, "post_processor": only_offsets}), plain.config)) is None
