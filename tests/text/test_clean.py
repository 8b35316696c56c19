import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trivium.text.clean import Cleaning, Filter, Light, clean


@pytest.mark.parametrize(
    ("dirty", "tidy"),
    [
        ("a\r\nb\rc", "a\nb\nc"),
        ("a  \t\n b", "a\n b"),
        ("\n\na\n\n\n\n\n\nb\n", "a\n\n\nb"),
        ("a\n\n\nb", "a\n\n\nb"),
        ("x\0\x07y\x1b[0m", "xy[0m"),
        ("\ufeffa\ud800b", "ab"),
        ("page\x0cnext\u2028line", "page\nnext\nline"),
        ("cafe\u0301", "café"),
        ("schÃ¶n â€œjaâ€\x9d", "schön “ja”"),
        ("ä¸\xadæ–‡", "中文"),
        ("“curly” ‘quotes’ ﬁ ＡＢ，", "“curly” ‘quotes’ ﬁ ＡＢ，"),
        ("São Paulo, ÅNGSTRÖM, voilà", "São Paulo, ÅNGSTRÖM, voilà"),
        ("\tindent\n    kept", "\tindent\n    kept"),
        ("", ""),
    ],
)  # fmt: skip
def test_what_is_mended_and_what_is_left_alone(dirty, tidy):
    assert clean(dirty) == tidy


def test_steps_can_be_left_out():
    assert clean("schÃ¶n e\u0301", Cleaning(mojibake=False, compose=False)) == "schÃ¶n e\u0301"
    assert clean("a\n\n\nb", Cleaning(blank_lines=1)) == "a\n\nb"


@settings(derandomize=True, deadline=None, max_examples=300)
@given(
    text=st.text(alphabet=st.sampled_from("aé\u0301Ã¶â€œ\x9d \t\n\r\x0c\0\ufeff\ud800中。"), max_size=30)
    | st.text(max_size=30)
)
def test_cleaning_twice_is_cleaning_once(text):
    once = clean(text)
    assert clean(once) == once


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"), (" \n\t", "empty"), ("too short", "shorter than 20 characters"),
        ("-----+-----+-----+---- 1234 5678 |", "mostly no words"),
        ("12 34 56 78 90 12 34 56 78 90", "mostly no words"),
        ("text with \ufffd broken \ufffd bytes", "undecodable characters"),
        ("An ordinary sentence of English.", None),
        ("这是一个普通的中文句子，应该保留下来，因为它有字。", None),
        ("def f(x):\n    return [x + 1 for _ in range(10)]", None),
    ],
)  # fmt: skip
def test_the_light_filter_says_why(text, reason):
    assert Light().reason(text) == reason


def test_filters_are_a_family():
    assert Filter.parse("light") == Light() and Filter.parse({"kind": "light", "min_chars": 3}).reason("abc") is None
    assert Filter.parse("none").reason("x") is None and Filter.parse("none").reason(" ") == "empty"
