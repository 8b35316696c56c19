import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trivium.text.sentences import language, spans, split


def test_english_and_chinese_are_split_where_a_reader_would():
    assert split("Mr. Smith went home. He slept!  Really?\n\nYes.", "en") == [
        "Mr. Smith went home. ", "He slept!  ", "Really?\n\n", "Yes.",
    ]  # fmt: skip
    assert split("你好。今天天气很好！“真的吗？”他问。", "zh")[:2] == ["你好。", "今天天气很好！"]


@settings(derandomize=True, deadline=None, max_examples=300)
@given(
    text=st.text(alphabet=st.sampled_from("aB. !?\n\t。！“”😀é\ud800\r"), max_size=40) | st.text(max_size=40),
    code=st.sampled_from(["en", "zh", "ja", "ru", "th", "xx"]),
)
def test_spans_cover_the_text_in_order(text, code):
    found = spans(text, code)
    assert "".join(text[start:end] for start, end in found) == text
    assert all(text[start:end].strip() for start, end in found) or not text.strip()
    assert all(a[1] == b[0] for a, b in itertools.pairwise(found))


def test_white_space_is_no_sentence():
    assert spans("", "en") == []
    assert spans(" \n ", "en") == [(0, 3)]
    assert split("\n\nOne. Two.\n\n", "en") == ["\n\nOne. ", "Two.\n\n"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("The quick brown fox", "en"), ("", "en"), ("1234 !?", "en"), ("Überraschung für alle", "en"),
        ("敏捷的棕色狐狸", "zh"), ("使用 Python 编写的工具，支持 Linux 和 Windows 系统。", "zh"),
        ("素早い茶色の狐が飛ぶ", "ja"), ("빠른 갈색 여우", "ko"), ("Быстрая лиса", "ru"), ("الثعلب السريع", "ar"),
        ("สุนัขจิ้งจอก", "th"), ("तेज़ लोमड़ी", "hi"), ("Γρήγορη αλεπού", "el"), ("השועל", "he"),
    ],
)  # fmt: skip
def test_the_script_tells_the_language(text, code):
    assert language(text) == code
