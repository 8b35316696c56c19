import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from trivium.corpus.clean.sentences import enough, spans, split


def test_english_and_chinese_are_split_where_a_reader_would():
    assert split("Mr. Smith went home. He slept!  Really?\n\nYes.", "en") == [
        "Mr. Smith went home. ",
        "He slept!  ",
        "Really?\n\n",
        "Yes.",
    ]
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


@settings(derandomize=True, deadline=None, max_examples=100)
@given(
    paragraphs=st.lists(st.integers(0, 6), max_size=12),
    count=st.integers(0, 12),
    sentence=st.sampled_from(["It rained. ", "It " + "rained and " * 30 + "Dr. Smith stayed. ", "下雨了。"]),
)
def test_enough_sentences_are_as_many_as_all_spans(paragraphs, count, sentence):
    text, language = "\n\n".join(sentence * number for number in paragraphs), "zh" if sentence[0] == "下" else "en"
    assert enough(text, language, count) == (len(spans(text, language)) >= count)
