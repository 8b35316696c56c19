"""The course as a person has it: built in a folder, opened in a browser, with the numbers of this machine."""

import json
import re

import pytest

from browser import browser
from trivium.base.errors import ConfigError, TriviumError
from trivium.cli import run as command
from trivium.study.course import course, page
from trivium.study.course.lesson import Lesson

pytest.importorskip("latex2mathml", reason="an environment of before the course has no latex2mathml")
STEMS = [one.stem for one in page.pages(course.home(), "en")]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("course")
    course.build(folder)
    return folder


def test_every_page_is_there_in_both_languages(built):
    for language in page.LANGUAGES:
        assert sorted(path.stem for path in (built / language).iterdir()) == sorted([*STEMS, "index"])


def test_no_page_names_another_host(built):
    for path in built.rglob("*.html"):
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/", "")  # names of XML, which nobody asks
        assert "http" not in text.replace('http-equiv="', ""), path


@pytest.mark.parametrize("dark", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_pages_draw_without_an_error_and_fit_a_phone(built, dark):
    with browser() as shown:
        for path in sorted(built.rglob("*.html")):
            shown.open(path.as_uri(), 390, 800, dark)
            assert shown.run("document.documentElement.scrollWidth") <= 390, path
            drawn = "[...document.querySelectorAll('.stage')].every((stage) => stage.children.length)"
            assert shown.run(drawn) and not shown.problems, path
            assert not re.search("undefined|NaN", shown.run("document.querySelector('main').textContent")), path
            assert shown.requested <= {path.as_uri(), "data:,"}
            shown.run("document.querySelector('.stage :is(input, button, [tabindex])')?.focus()")
            assert path.stem == "index" or shown.run("document.activeElement.tagName") != "BODY", path
            for key in ("ArrowRight", "ArrowDown", "ArrowUp", "ArrowLeft"):
                shown.press(key)
            assert not shown.problems, path


@pytest.fixture
def short(monkeypatch):
    """A course of one page, which is built in no time."""
    every = page.pages
    monkeypatch.setattr(page, "pages", lambda *given: [one for one in every(*given) if one.name == "rope"])


def test_the_numbers_of_this_machine_are_put_in(short, tmp_path, monkeypatch):
    monkeypatch.setattr(course, "lesson", lambda name: STAND_IN)
    course.run(["rope"], tmp_path)
    course.build(tmp_path)
    text = (tmp_path / "en" / "06-rope.html").read_text(encoding="utf-8")
    assert "Measured here on" in text and "Measured by the authors" not in text and ">7.654<" in text
    assert "本机于" in (tmp_path / "zh" / "06-rope.html").read_text(encoding="utf-8")
    assert (tmp_path / "en" / "index.html").read_text(encoding="utf-8").count("measured here</span>") == 1


def fixed(scratch):
    numbers = json.loads((course.home() / "numbers" / "rope.json").read_text())["numbers"]
    return {**numbers, "loss_rope": 7.654}


def drawn(numbers):
    from trivium.study.course.lessons import rope

    return rope.drawing(numbers)


STAND_IN = Lesson("rope", dict, drawn, fixed)


def test_what_is_no_course_is_left_alone(tmp_path):
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(TriviumError, match="exists and is no folder of the course"):
        course.build(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]
    with pytest.raises(ConfigError, match="expected en or zh, found 'fr'"):
        course.check_language("fr")


def test_the_command_builds_and_says_where(short, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("webbrowser.open", lambda url: False)
    assert command(["learn", "-o", str(tmp_path / "mine"), "--language", "zh"]) == 0
    said = capsys.readouterr().out
    assert f"the course is {tmp_path}/mine/zh/index.html" in said and "no browser was found" in said
