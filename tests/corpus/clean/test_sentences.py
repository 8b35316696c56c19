import itertools
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trivium.corpus.clean import sentences
from trivium.corpus.clean.sentences import enough, spans, split

ENGLISH = """
As shown in eq. 4 the loss falls. |It rises later.
(This is a note.) |This is text.
See Fig. 3 for details. |The end.
See eqs. 3 and 4, Figs. 1 and 2, and Tab. 5. |Done.
It weighs approx. 3 kg. |It is heavy.
The temp. was 20 °C. |It rose.
1. First do this. |2. Then do that.
Read pp. 12-15 and ch. 3. |Then rest.
The end (see sec. 4.2). |Next we go on.
(He left. She stayed.) |Then it rained.
He said (quietly!) that it rained. |We left.
It rained. |(We stayed at home.) |Then the sun came out.
Dr. Smith met Mrs. Jones at 5 p.m. on Monday. |They talked.
He works for Acme Inc. in Boston. |She does not.
The U.S. Senate voted. |It passed.
I live in the U.S. |How about you?
He said, "I am tired." |Then he left.
"Are you coming?" she asked. |He nodded.
“It is late.” |“I know.”
He asked, “Why?” and left. |Nobody answered.
Smith et al. (2020) found this. |Others did not.
J. R. R. Tolkien wrote it. |I read it.
Apples, pears, etc. are fruit. |Meat is not.
It costs $3.50 at www.example.com. |That is cheap.
What?! |No way! |You did it...
She has a Ph.D. in physics. |He has none.
He arrived at 9 a.m. |The train left at 10.
Any questions? |No. |I have none.
One sentence\\nwrapped over two lines. |Another one.
The vote was 3 to 2 (cf. Smith, vol. 2). |It was close.
""".strip("\n").split("\n")
CHINESE = """
你好。|今天天气很好！
“你来吗？”他问。|我点头。
“你来吗？”妈妈问坐在旁边的孩子。|他说不来。
他说：“我不去。”然后走了。|天黑了。
“太好了！”她笑着说，“我们走吧。”|大家都笑了。
小明说：“你好。”|小红说：“再见。”
他喊了一声“救命！”就倒下了。|没有人听见。
老师用“加油！”鼓励我们。|我们很高兴。
他听见“着火了！”的喊声。|他跑了出去。
“今天下雨。我们不去了。”妈妈说。|我很难过。
他问：“为什么？”|没有人回答。
“真的？”|“真的。”
“好。”\\n|“走吧。”
「你是誰？」他問。|我沒有回答。
『好。』她說。|他走了。
她问我“你是谁？”我没有回答。
“快跑！”他喊道。|大家都跑了。
“请坐。”王老师回答。|门关上了。
“走吧。”|他站了起来。
真的吗？！|我不信。
等等……我想想。|好吧。
（这是注释。）|这是正文。
这是正文（见第3.2节）。|下面是例子。
你知道吗？|（我知道。）|那好。
圆周率是3.14。|它是无理数。
他在U.S.工作。|她在中国。
版本2.0.1发布了。|请更新。
《你往何处去？》是一部小说。|作者是波兰人。
第一，要努力；第二，要坚持。|就这样。
我们走吧！！！|快点！
""".strip("\n").split("\n")


@pytest.mark.parametrize(("cases", "language"), [(ENGLISH, "en"), (CHINESE, "zh")], ids=["en", "zh"])
def test_hard_cases_are_split_where_a_reader_would(cases, language):
    assert len(cases) == 30
    expected = [case.replace("\\n", "\n").split("|") for case in cases]
    wrong = [parts for parts in expected if split("".join(parts), language) != parts]
    assert len(wrong) <= 2, [(parts, split("".join(parts), language)) for parts in wrong]


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


HARD = {
    "en": [
        "Dr. Smith (see eq. 4) left. ",
        "Why? \n\n",
        "He said “Go. Now!” and went. ",
        "1. An item. ",
        "No end " * 30,
    ],
    "zh": [
        "他说：“你好。我走了！”然后离开。",
        "（这是注。）天气很好。",
        "《书。》里没有句号" * 9,
        "走吗？\n\n",
        "美国U.S.很大。",
    ],
    "ja": ["「はい。行きます。」と言った。", "今日は天気がいい。", "（注。）そうですか？\n"],
}


@pytest.mark.parametrize("language", HARD)
def test_a_long_text_is_split_as_it_would_be_at_once(monkeypatch, language):
    draw = random.Random(7)
    texts = ["".join(draw.choices(HARD[language], k=60)) for _ in range(20)]
    whole = [spans(text, language) for text in texts]
    monkeypatch.setattr(sentences, "WINDOW", 400)
    monkeypatch.setattr(sentences, "MARGIN", 150)
    assert [spans(text, language) for text in texts] == whole


def test_the_time_of_a_long_paragraph_grows_with_its_length():
    text = "今天天气很好。他说：“走吧。”我们去公园！" * 15_000
    begin = time.process_time()
    found = spans(text, "zh")
    assert time.process_time() - begin < 5 and len(found) > 40_000  # at once: a minute
    assert "".join(text[start:stop] for start, stop in found) == text
