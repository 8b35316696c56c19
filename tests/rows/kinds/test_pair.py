import pytest

from talk import parse
from trivium.base.errors import DataError
from trivium.rows.read import RowReading


def read(row, **options):
    found = parse(row, "f:1", RowReading(**options))
    return found.messages[-1].content, found.references


def test_translations():
    assert read({"source": "a", "target": "b"}) == ("a", ("b",))
    assert read({"source": "a", "target": "b", "source_lang": "en", "target_lang": "zh"})[0] == "translate en to zh: a"
    assert read({"translation": {"en": "a", "zh": "b"}}) == ("translate en to zh: a", ("b",))
    assert read({"translation": {"en": "a", "zh": "b"}}, prefix="") == ("a", ("b",))
    for wrong in ({"en": "a"}, {"en": "a", "zh": "b", "de": "c"}, {"en": "a", "zh": ""}, {"en": "a", "zh": 3}):
        with pytest.raises(DataError, match="f:1: translation"):
            parse({"translation": wrong}, "f:1")


def test_summaries():
    assert read({"document": "d", "summary": "s"}) == ("summarize: d", ("s",))
    assert read({"article": "d", "highlights": "s"}) == ("summarize: d", ("s",))
    assert read({"document": ["d", "e"], "summaries": ["s", "t"]}, prefix="TLDR ") == ("TLDR d e", ("s", "t"))
    assert read({"source": ["d", "e"], "target": ["s", "t"]}) == ("d e", ("s", "t"))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"source": "", "target": "b"}, "f:1: source: expected some text"),
        ({"source": "a", "target": []}, "f:1: target: expected at least one"),
        ({"source": 3, "target": "b"}, "f:1: source: expected a text, or a list of them, found 3"),
        ({"document": ["a", 3], "summary": "b"}, r"f:1: document\[1\]: expected a text, found 3"),
    ],
)
def test_what_does_not_fit_is_one_line(row, message):
    with pytest.raises(DataError, match=message) as error:
        parse(row, "f:1")
    assert "\n" not in str(error.value)
