"""Frames are read from a tokenizer.json, written to one, and stock tokenizers frame alike."""

import json

import pytest

from pieces import pieces
from trivium.token.frame import Frame, default_frame, frame_of, read_frame, stated, with_frame
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


@pytest.mark.parametrize("kind", ["bytes", "llama2", "words"])
@pytest.mark.parametrize("frame", [True, False])
def test_a_folder_alone_says_what_stands_around_a_text(kind, frame, tmp_path):
    tokenizer = pieces(kind, frame=frame)
    tokenizer.save(tmp_path)
    stock = transformers.AutoTokenizer.from_pretrained(tmp_path)
    found = frame_of(tokenizer, "decoder")
    assert found == (Frame((1,), (2,), (2,), 0) if frame else Frame())
    for texts in (["word"], [" a b", "  x"], ["é", "the user"]):
        parts = [tokenizer.encode(text) for text in texts]
        assert found.lay(parts)[0].tolist() == stock(*texts)["input_ids"]


def test_stock_classes_with_a_frame_of_their_own_have_it_here(tmp_path):
    names = {"bos_token": "<s>", "eos_token": "</s>", "cls_token": "<s>", "sep_token": "</s>"}
    for name, frame in (("BertTokenizer", Frame((1,), (2,), (2,), 1)), ("PreTrainedTokenizerFast", Frame())):
        plain = pieces("bytes")
        one = plain.replace(config={**plain.config, **names, "tokenizer_class": name})
        assert frame_of(one, "encoder", types=True) == frame
        assert frame_of(one, "decoder") == Frame(), "a decoder's class adds none of its own"


def test_tokenizers_trained_here_have_the_frame_of_the_family_and_it_is_stated_once():
    plain = Tokenizer.bytes()
    for family in ("encoder", "decoder", "encoder_decoder"):
        frame = frame_of(plain, family, pad_starts=True)
        assert frame == default_frame(plain, family, pad_starts=True)
        written = stated(plain, frame)
        assert frame_of(written, family, pad_starts=True) == frame and stated(written, Frame((9,))) is written
    assert stated(plain, Frame()) is plain
