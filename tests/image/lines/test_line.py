import re

import numpy as np
import pytest

from fonts import font
from trivium.base.errors import DataError
from trivium.image.lines.face import Face, named, shipped
from trivium.image.lines.level import Clean, Hard
from trivium.image.lines.line import LONGEST, SHORTEST, Drawing, Lines, divided, is_lines, open_lines

WORDS = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu"
TEXTS = [f"{WORDS} {number} {WORDS[::-1]} number {number * 7919}." for number in range(200)]


def opened(name: str, **drawing) -> Lines:
    return open_lines(name, lambda _: TEXTS, Drawing(**drawing))


def test_a_line_is_a_function_of_seed_and_index_alone():
    one, other = opened("lines:hard:train:20"), opened("lines:hard:train:9")
    backwards = [one.line(index) for index in reversed(range(9))][::-1]
    for line, again in zip(backwards, other, strict=True):
        assert (line.text, line.face, line.size()) == (again.text, again.face, again.size())
        assert np.array_equal(line.colours(), again.colours()) and line.colours().shape == line.size()
    assert len(one) == 20 and len({line.text for line in one}) > 15
    assert one.line(3).text != opened("lines:hard", seed=1).line(3).text


def test_lines_have_10_to_60_signs_from_word_to_word():
    joined = {" ".join(text.split()) for text in TEXTS}
    lengths = []
    for line in opened("lines:clean:train:300"):
        lengths.append(len(line.text))
        found = [re.search(rf"(^| ){re.escape(line.text)}(?P<end> |$)?", text) for text in joined]
        found = [one for one in found if one]
        assert found, "it begins with a word"
        ends = any(one["end"] is not None for one in found)
        assert ends or line.text.rfind(" ") < SHORTEST, "a word is cut only where too little would be left"
    assert min(lengths) >= SHORTEST and max(lengths) <= LONGEST and max(lengths) - min(lengths) > 35


def test_training_meets_no_text_that_is_held_out():
    parts = {part: divided(TEXTS, part, 0.3) for part in ("train", "texts", "face", "family")}
    assert parts["texts"] == parts["face"] == parts["family"]
    assert not {*parts["train"]} & {*parts["texts"]} and len(parts["train"]) + len(parts["texts"]) == len(TEXTS)
    assert 30 < len(parts["texts"]) < 90
    more = divided([*TEXTS, "another text that stands here alone"], "train", 0.3)
    assert {*parts["train"]} <= {*more}, "a text keeps its part whatever stands beside it"
    lines = opened("lines:clean:family:40", held_out=0.3)
    assert {*lines.texts} <= {*parts["texts"]} and {line.face[:11] for line in lines} == {"DejaVuSerif"}


def test_a_rule_of_signs_is_three_of_them():
    text = "Parameters ---------- x : float === and a_____b ... 10000000 ``two`` ####"
    assert divided([text], "train", 1e-9) == ["Parameters --- x : float === and a_____b ... 10000000 ``two`` ###"]


def test_a_face_that_lacks_a_sign_is_named_and_never_draws_it():
    folder = shipped()[0].path.parent
    able, unable = shipped()[0], Face(folder / "STIXNonUni.ttf")
    lines = Lines(TEXTS[:3], [unable, able], [Clean()])
    assert {lines.line(index).face for index in range(20)} == {able.name}
    count = len(unable.lacks("".join(TEXTS[:3])))
    assert len(lines.remarks) == 1 and f"drawn in others: STIXNonUni {count} (" in lines.remarks[0]
    with pytest.raises(DataError, match=r"STIXNonUni can draw none of 1,000 lines.*no face has"):
        Lines(TEXTS[:3], [unable]).line(0)


def test_signs_that_no_face_has_or_no_layout_places_stand_in_no_line():
    texts = [
        "so many plain words stand here and there " * 5 + "世界 and then some more words",
        "plain שלום words e\u0301\u0332 here",
    ]
    lines = Lines(texts, shipped(), [Clean()])
    drawn = "".join(lines.line(index).text for index in range(200))
    assert drawn.isascii() and len(lines.remarks) == 2
    assert "世界" in lines.remarks[0] and "stand there 2 times" in lines.remarks[0]
    assert "this layout cannot place 6 signs" in lines.remarks[1]


def test_levels_take_turns_and_texts_stay():
    both, hard = opened("lines:clean+hard:train:6"), opened("lines:hard:train:6")
    assert both.levels == [Clean(), Hard()]
    assert np.array_equal(both.line(1).colours(), hard.line(1).colours())
    assert not np.array_equal(both.line(0).colours(), hard.line(0).colours())
    assert [line.text for line in both] == [line.text for line in hard]


def test_signs_of_json_and_of_paths_are_drawn_as_they_are():
    text = 'a "quoted" \\n back\\slash, a/path and {"json": [1]} with <b>tags</b> & more'
    lines = Lines([text], shipped(), [Clean()])
    assert any('"' in lines.line(index).text and "\\" in lines.line(index).text for index in range(20))


@pytest.mark.parametrize("name", ["lines:harder", "lines:", "lines:clean:all", "lines:clean:train:x", "lines:clean+"])
def test_an_unknown_level_or_part_is_an_error_that_names_it(name):
    with pytest.raises(DataError, match="expected lines:LEVEL") as wrong:
        opened(name)
    assert str(wrong.value).startswith(f"{name}: ") and is_lines(name)
    assert not is_lines("rows.jsonl")


def test_a_part_without_texts_is_an_error():
    share = next(share for share in (0.01, 0.5, 0.99) if divided([WORDS], "texts", share))
    with pytest.raises(DataError, match="the part train, found none: all 1 texts belong to the other part"):
        open_lines("lines:clean", lambda _: [WORDS], Drawing(held_out=share))
    with pytest.raises(DataError, match="expected texts of at least 10 signs"):
        open_lines("lines:clean", lambda _: ["short"], Drawing())


def test_chinese_is_drawn_by_a_named_font_and_a_sign_that_it_lacks_is_counted(tmp_path):
    known = "世界人民大学生活工作时间国家中文字体读书写信上下左右东西南北春夏秋冬，。"
    text = "".join(known[(7 * n) % len(known)] for n in range(400))
    font(tmp_path / "little.ttf", known)
    (face,) = named([str(tmp_path / "little.ttf")])
    lines = Lines([text[:200] + "龘" + text[200:]], [*shipped(), face], [Clean()])
    assert "龘" in lines.remarks[-1] and "no face has 1 signs" in lines.remarks[-1]
    assert "which stand there 1 times: no line has them" in lines.remarks[-1]
    for index in range(20):
        line = lines.line(index)
        assert line.face == "little" and {*line.text} <= {*known} and SHORTEST <= len(line.text) <= LONGEST
        ink = (line.colours() < 128).any(axis=0)
        assert ink.sum() > 0.6 * line.width, "each sign is ink"
