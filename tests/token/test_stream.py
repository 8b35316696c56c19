from hypothesis import given, settings
from hypothesis import strategies as st

from trivium.token.tokenizer import Tokenizer

from .conftest import word_piece


@settings(derandomize=True, deadline=None, max_examples=150)
@given(ids=st.lists(st.integers(0, 447), max_size=30))
def test_the_stream_adds_up_to_the_full_decoding(tokenizer, ids):
    stream = tokenizer.stream()
    assert "".join(map(stream.push, ids)) + stream.flush() == tokenizer.decode(ids)


def test_the_stream_never_shows_half_a_character(any_tokenizer):
    stream, shown = any_tokenizer.stream(), []
    for index in any_tokenizer.encode("é😀中文 👩‍👩‍👧"):
        shown.append(stream.push(index))
    assert "\ufffd" not in "".join(shown) and stream.flush() == ""
    stream = any_tokenizer.stream()
    cut = any_tokenizer.encode("\U0001f9ff")[:-1]
    assert "".join(map(stream.push, cut)) == "" and stream.flush() == "\ufffd"


def test_the_stream_of_other_decoders_adds_up_too():
    each = Tokenizer(word_piece().to_str())
    stream = each.stream()
    ids = each.encode("ab a [a] ab")
    assert "".join(map(stream.push, ids)) + stream.flush() == each.decode(ids)
