from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trivium.corpus.clean.clean import Cleaning, clean

MARKS = (
    "*** START OF THIS PROJECT GUTENBERG EBOOK X ***\n",
    "*** END OF THE PROJECT GUTENBERG EBOOK X ***\n",
    "End of Project Gutenberg's X\n",
    "Produced by A. B.\n",
    "**END THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.04*END**\n",
)


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
)
def test_what_is_mended_and_what_is_left_alone(dirty, tidy):
    assert clean(dirty) == tidy


CLEAN = [
    "A palavra do dia é «MAÇ\u00c3».",
    "Disse “IRM\u00c3” em voz alta; não veio.",
    "O título é ‘MANH\u00c3’, não outro.",
    "Diz „AMANH\u00c3“ e não volta.",
    "Sonuç: “HÂL\u00c2” geçerli",
    "Não é “ROM\u00c3…",
    "São “\u00c3” e ‹\u00c3›.",
    "»IRM\u00c3« não é",
]


@pytest.mark.parametrize("line", CLEAN)
def test_a_capital_before_a_quotation_mark_is_clean(line):
    counts: Counter[str] = Counter()
    assert clean(line, counts=counts) == line and not counts
    misread = line.encode().decode("sloppy-windows-1252")
    assert clean(misread, counts=counts) == line and counts["mojibake mended"] == 1


@pytest.mark.parametrize("line", ["O AVÔ", "OPERAÇÕES “IRM\u00c3” E AVÓ", "ESPAÑA", "SJÖ", "où dû", "ÀÉÈ – ÇÃO"])
def test_misread_capitals_are_mended(line):
    assert clean(line.encode().decode("sloppy-windows-1252")) == line


def test_steps_can_be_left_out():
    assert clean("schÃ¶n e\u0301", Cleaning(mojibake=False, compose=False)) == "schÃ¶n e\u0301"
    assert clean("a\n\n\nb", Cleaning(blank_lines=1)) == "a\n\nb"


@settings(derandomize=True, deadline=None, max_examples=300)
@given(
    text=st.text(alphabet=st.sampled_from("aé\u0301Ã¶â€œ\x9d \t\n\r\x0c\0\ufeff\ud800中。"), max_size=30)
    | st.text(max_size=30)
    | st.lists(st.sampled_from(["---\n", "--- \n", "a: b\n", "\n", "x\n", "x", "\0", *MARKS]), max_size=14).map("".join)
)
def test_cleaning_twice_is_cleaning_once(text):
    once = clean(text)
    assert clean(once) == once


def test_what_was_done_is_counted():
    counts: Counter[str] = Counter()
    dirty = "---\ntitle: x\n---\nschÃ¶n\x07 e\u0301\n" + "same\n" * 9 + "good line"
    assert clean(dirty, counts=counts) == "schön é\nsame\ngood line"
    assert counts == {
        "front matter taken away": 1,
        "mojibake mended": 1,
        "control characters removed": 1,
        "composed (NFC)": 1,
        "repeated line taken away": 8,
    }
    counts.clear()
    assert clean("nothing\nto do", counts=counts) == "nothing\nto do" and not counts


def test_only_the_lines_that_hold_mojibake_are_mended():
    assert clean("schÃ¶n\nA Ã B stays") == "schön\nA Ã B stays"
