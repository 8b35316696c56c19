import numpy as np
import pytest
from PIL import Image, ImageDraw

from trivium.image.lines.face import shipped
from trivium.image.lines.page import Box, found_lines, straight

TEXTS = [
    "The first line of a page that we drew,",
    "a second one, with pluses + and (brackets)",
    "short one",
    "and the last; it ends here.",
]


def page(texts=TEXTS, size=20, gap=34, width=640, left=40):
    """A page and the box of the ink of each line, as Pillow says it."""
    sheet = Image.new("L", (width, 60 + gap * len(texts)), 235)
    pen = ImageDraw.Draw(sheet)
    boxes = []
    for number, text in enumerate(texts):
        font = shipped()[number % 16].sized(size)
        pen.text((left, 30 + gap * number), text, fill=20, font=font)
        boxes.append(pen.textbbox((left, 30 + gap * number), text, font=font))
    return np.asarray(sheet), boxes


def near(found: Box, wanted, pixels=3):
    return all(abs(one - other) <= pixels for one, other in zip(found, wanted, strict=True))


def test_each_line_of_a_page_is_found_where_it_stands():
    sheet, boxes = page()
    found = [*found_lines(sheet)]
    assert len(found) == len(boxes) and all(near(one.box, box) for one, box in zip(found, boxes, strict=True))
    for one in found:
        high = one.box.bottom - one.box.top
        assert one.image.shape[0] >= high + 2 and one.image[0].min() > 150


@pytest.mark.parametrize("angle", [-2.0, 1.25])
def test_a_turned_page_is_turned_back(angle):
    sheet, boxes = page(TEXTS * 4)
    turned = np.asarray(Image.fromarray(sheet).rotate(angle, 3, expand=True, fillcolor=235))
    found = [*found_lines(turned)]
    assert len(found) == len(boxes)
    assert all(
        abs((one.box.bottom - one.box.top) - (b - t)) <= 5 for one, (_, t, _, b) in zip(found, boxes, strict=True)
    )
    assert straight(sheet) is sheet, "a straight page keeps its pixels"


def test_noise_and_uneven_light_add_no_lines():
    sheet, boxes = page()
    light = np.linspace(-60, 0, sheet.shape[1])[None] + np.random.default_rng(0).normal(0, 8, sheet.shape)
    found = [*found_lines((sheet + light).clip(0, 255).astype(np.uint8))]
    assert len(found) == len(boxes) and all(near(one.box, box, 5) for one, box in zip(found, boxes, strict=True))


def test_columns_are_lines_of_their_own():
    left, _ = page(TEXTS[2:3] * 3)
    both = np.concatenate([left[:, :320], left], axis=1)
    found = [one.box for one in found_lines(both)]
    assert len(found) == 6 and [box.left < 320 for box in found] == [True, False] * 3


def test_a_line_that_is_too_long_is_cut_between_words():
    text = "many words in one long line " * 4
    sheet, [box] = page([text], size=14, width=1200)
    found = [*found_lines(sheet, widest=24)]
    assert len(found) > 1 and all(one.box.right - one.box.left <= 24 * (one.box.bottom - one.box.top) for one in found)
    assert found[0].box.left <= box[0] + 3 and found[-1].box.right >= box[2] - 8
    ink = sum(int((sheet[one.box.top : one.box.bottom, one.box.left : one.box.right] < 128).sum()) for one in found)
    assert ink == int((sheet < 128).sum()), "no letter is lost"


def test_an_empty_page_has_no_lines():
    assert [*found_lines(np.full((200, 300), 240, np.uint8))] == []
