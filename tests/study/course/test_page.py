"""Pages in two languages: the same sections, commands, formulae, drawings and numbers, all of the experiment."""

import pytest

from trivium.base.errors import DataError
from trivium.base.files import read_json
from trivium.study.course import course, page
from trivium.study.course.lesson import kept

HOME = course.home()
HEADINGS = [read_json(HOME / "words.json")[language] for language in page.LANGUAGES]
STEMS = [one.stem for one in page.pages(HOME, "en")]
TEXT = """# A title

An idea of {{a}}. And $`x`$.

## Formula

```math
x = 1
```

## Drawing

```drawing rope
caption: what it is
score: the score
```

## Measure

```sh
trivium learn --run rope   # a comment
```

| a | {{a:.1%}} |
|---|---|

## Change next

- nothing

## Questions

### Why?

So.

### How?

Thus.

### When?

Now.
"""


def read(folder, text, language="en"):
    (folder / language).mkdir(exist_ok=True)
    (folder / language / "03-mine.md").write_text(text, encoding="utf-8")
    return page.read(folder / language / "03-mine.md")


def chinese(text):
    for english, heading in zip(HEADINGS[0].items(), HEADINGS[1].values(), strict=True):
        text = text.replace(f"## {english[1]}\n", f"## {heading}\n")
    return text


def test_both_languages_have_the_same_pages():
    assert [one.stem for one in page.pages(HOME, "zh")] == STEMS and STEMS


@pytest.mark.parametrize("stem", STEMS)
def test_the_languages_of_a_page_say_the_same(stem):
    one, other = (page.read(HOME / language / f"{stem}.md") for language in page.LANGUAGES)
    assert not list(page.differences(one, other, HEADINGS))
    assert f"trivium learn --run {one.name}" in one.fences("sh")[0].body
    assert one.fences("math") and one.fences("drawing") and one.places
    assert all("caption" in page.words(fence) for fence in one.fences("drawing"))
    numbers = kept(HOME / "numbers" / f"{one.name}.json")["numbers"]
    for text in (one, other):
        filled = text.filled(numbers)
        assert filled.body.count(page.OPEN) == len(text.places) and not filled.places


def test_the_parts_of_a_page(tmp_path):
    made = read(tmp_path, TEXT)
    assert (made.stem, made.name, made.title) == ("03-mine", "mine", "A title")
    assert [question.heading for question in made.questions] == ["Why?", "How?", "When?"]
    assert made.places == [("a", ""), ("a", ".1%")]
    assert page.words(made.fences("drawing")[0]) == {"caption": "what it is", "score": "the score"}
    filled = made.filled({"a": 0.5})
    assert f"An idea of {page.OPEN}0.500{page.CLOSE}" in filled.idea and f"{page.OPEN}50.0%{page.CLOSE}" in filled.body


@pytest.mark.parametrize(
    ("before", "after", "what"),
    [
        ("--run rope", "--run heads", "commands"),
        ("x = 1", "x = 2", "formulae"),
        ("$`x`$", "$`y`$", "inline formulae"),
        ("{{a:.1%}}", "{{a:.2%}}", "numbers"),
        ("score: the", "loss: the", "drawings"),
        ("drawing rope", "drawing heads", "drawings"),
        ("### When?", "When?", "expected 3 questions"),
        ("Thus.", "", "expected 3 questions"),
        ("## Measure", "## Formula", "expected the sections"),
    ],
)
def test_what_differs_is_named(tmp_path, before, after, what):
    one = read(tmp_path, TEXT)
    assert not list(page.differences(one, read(tmp_path, chinese(TEXT), "zh"), HEADINGS))
    other = read(tmp_path, chinese(TEXT.replace(before, after, 1)), "zh")
    assert any(what in line for line in page.differences(one, other, HEADINGS))


def test_a_comment_and_a_heading_in_code_may_differ(tmp_path):
    one = read(tmp_path, TEXT)
    other = read(tmp_path, chinese(TEXT.replace("# a comment", "# 注释")), "zh")
    assert not list(page.differences(one, other, HEADINGS))
    assert len(read(tmp_path, TEXT.replace("x = 1", "## x")).sections) == 5


def test_a_number_that_lacks_is_named(tmp_path):
    with pytest.raises(DataError, match=r"03-mine.md: \{\{a\}\} is no number of this lesson; known: b"):
        read(tmp_path, TEXT).filled({"b": 1})


def test_numbers_are_written_as_people_read_them(tmp_path):
    for value, told in ((1572864, "1,572,864"), (-0.04567, "-0.0457"), (47117.24, "47,100"), (6.28318, "6.28")):
        assert f"of {page.OPEN}{told}{page.CLOSE}." in read(tmp_path, TEXT).filled({"a": value}).idea
