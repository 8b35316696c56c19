"""Each lesson has a page, numbers that are kept, and the same exact numbers again today."""

import json

import numpy as np
import pytest

from trivium.base.errors import ConfigError, DataError
from trivium.study.course import course, page
from trivium.study.course.lesson import Lesson, kept, lesson, lessons

NAMES = sorted(lessons())


def test_each_page_has_a_lesson_and_each_lesson_a_page():
    assert sorted(one.name for one in page.pages(course.home(), "en")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_exact_numbers_are_those_that_are_kept(name):
    record = kept(course.home() / "numbers" / f"{name}.json")
    again = lesson(name).exact()
    assert record["date"] and record["machine"]["torch"] and record["seconds"] <= 180
    for key, value in again.items():
        assert record["numbers"][key] == pytest.approx(value, rel=1e-3, abs=1e-9), key


@pytest.mark.slow
@pytest.mark.parametrize("name", ["labels", "loss", "objectives", "pictures", "rows"])
def test_what_a_lesson_trains_and_measures_comes_again(name, tmp_path):
    """Losses and shares come again on another machine but for rounding; times do not, nor do 100 blanks of a cloze."""
    numbers = kept(course.home() / "numbers" / f"{name}.json")["numbers"]
    again = lesson(name).measured(tmp_path)
    assert again
    for key, value in again.items():
        if key.startswith(("seconds_", "cloze_")):
            continue
        assert np.array(value) == pytest.approx(np.array(numbers[key]), rel=0.05, abs=0.03), key


def test_a_record_has_the_numbers_of_both_parts(tmp_path):
    made = Lesson("mine", lambda: {"a": 1}, dict, lambda scratch: {"b": scratch.name}).run(tmp_path)
    assert made["numbers"] == {"a": 1, "b": tmp_path.name} and made["seconds"] >= 0


def test_an_unknown_lesson_is_named_with_the_nearest():
    with pytest.raises(ConfigError, match=r"unknown lesson 'rop'.*rope"):
        lesson("rop")


@pytest.mark.parametrize("text", ["[1]", '{"numbers": 3}', json.dumps({"date": "today"})])
def test_a_file_without_numbers_is_named(tmp_path, text):
    (tmp_path / "rope.json").write_text(text)
    with pytest.raises(DataError, match=r"rope\.json: expected the numbers of a lesson"):
        kept(tmp_path / "rope.json")


def test_numbers_of_an_older_page_are_named(tmp_path):
    (tmp_path / "rope.json").write_text('{"numbers": {"a": 1}}')
    assert kept(tmp_path / "rope.json", [("a", ".2f")])["numbers"] == {"a": 1}
    with pytest.raises(DataError, match=r"has no 'b', which the page shows; measure it: trivium learn --run rope"):
        kept(tmp_path / "rope.json", [("a", ""), ("b", "")])
