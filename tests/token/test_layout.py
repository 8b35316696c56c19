"""How texts are laid: framed, cut, on the side that a family reads."""

import numpy as np
import pytest

from pieces import KINDS, pieces
from trivium.base.errors import DataError
from trivium.token.frame import Frame
from trivium.token.layout import Layout, gapped, spans
from trivium.token.tokenizer import Tokenizer

BYTES = Tokenizer.bytes()
FRAME = Frame((1,), (2,), (2,), 1)


def layout(family="encoder", length=12, **more):
    return Layout(BYTES, FRAME, family, length, **more)


def test_each_family_reads_on_its_side():
    encoder = layout(types=True).example([[5, 6], [7]])
    assert encoder.enc.tolist() == [1, 5, 6, 2, 7, 2] and encoder.types.tolist() == [0, 0, 0, 0, 1, 1]
    assert layout("decoder").example([[5]]).dec.tolist() == [1, 5, 2]
    both = layout("encoder_decoder", start=9).example([[5, 6]], {"label": 3})
    assert both.enc.tolist() == [1, 5, 6, 2] and both.dec.tolist() == [9, 1, 5, 6] and both.targets["label"] == 3


def test_the_longest_part_is_cut_first():
    assert [len(part) for part in layout().cut([[5] * 20, [6] * 3])] == [6, 3]
    assert [len(part) for part in layout().cut([[5] * 20, [6] * 30])] in ([4, 5], [5, 4])
    assert layout().cut([[5, 6]]) == [[5, 6]]
    for lengths in ([20], [1, 30], [9, 9]):
        parts = layout().cut([[5] * length for length in lengths])
        assert len(layout().example(parts)) == 12


def test_no_room_is_an_error():
    with pytest.raises(DataError, match="3 tokens leave no room for 2 texts"):
        layout(length=3).room(2)


@pytest.mark.parametrize("text", ["see Ann now", "naïve 中文 😀 café", "a\n\n b", ""])
def test_spans_say_where_each_token_stands(text):
    ids, places = spans(BYTES, text)
    assert ids == BYTES.encode(text) and places.shape == (len(ids), 2)
    covered = {at for begin, end in places for at in range(begin, end)}
    assert covered >= {at for at, char in enumerate(text) if not char.isspace()}
    assert (np.diff(places[:, 0]) >= 0).all()


def test_spaces_before_a_word_are_no_part_of_it():
    tokenizer = Tokenizer.train(["see the word " * 50], 384)
    text = "see the word"
    ids, places = spans(tokenizer, text)
    assert [text[begin:end].strip() for begin, end in places] == [tokenizer.decode([i]).strip() for i in ids]
    assert not any(text[begin].isspace() for begin, end in places if end - begin > 1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_gap_takes_the_white_space_that_its_token_takes(kind, tmp_path):
    transformers = pytest.importorskip("transformers")
    tokenizer = pieces(kind, frame=True)
    tokenizer.save(tmp_path)
    stock, mask = transformers.AutoTokenizer.from_pretrained(tmp_path), tokenizer.vocabulary.mask
    for text in ("the <mask> says what <mask>.", "<mask> user", "a\n<mask>\n b", "<mask><mask>", "no gap"):
        wanted = stock(text)["input_ids"]
        assert [1, *gapped(tokenizer, text, mask), 2] == wanted
        assert [1, *gapped(tokenizer, text.replace("<mask>", "[MASK]"), mask), 2] == wanted
