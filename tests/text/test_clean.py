import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trivium.text.clean import Cleaning, clean


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
