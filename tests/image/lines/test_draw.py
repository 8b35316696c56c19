import numpy as np
import pytest

from trivium.base.seeds import generator
from trivium.image.lines.draw import HEIGHT, draw, plan
from trivium.image.lines.face import Face, shipped
from trivium.image.lines.level import Clean, Hard, LineLevel, Worn

TEXT = "a quick brown fox, 12 (of 34)"


def drawn(level: LineLevel, face: Face, text: str = TEXT, seed: int = 0) -> np.ndarray:
    rng = generator(seed)
    made = plan(text, face, level, rng)
    picture = draw(made, rng)
    assert picture.shape == (HEIGHT, made.width) and picture.dtype == np.uint8
    return picture


@pytest.mark.parametrize("level", [Clean(), Worn(), Hard()], ids=lambda level: level.kind)
def test_the_width_is_known_before_anything_is_drawn(level: LineLevel):
    for number, face in enumerate(shipped()):
        drawn(level, face, seed=number)


def test_a_clean_line_is_what_pillow_prints():
    """The transform is the identity: the same pixels as a font printed straight on white."""
    from PIL import Image, ImageDraw

    face, rng = shipped()[0], generator(3)
    made = plan(TEXT, face, Clean(), rng)
    font = face.sized(made.size)
    sheet = Image.new("L", (made.width, HEIGHT), 255)
    above, below = font.getmetrics()
    start = made.overhang + int(made.drawn["left"])
    ImageDraw.Draw(sheet).text((start, (HEIGHT - above - below) / 2), TEXT, fill=0, font=font)
    still = Clean()  # no room is used where the line may not move
    rows = draw(made, rng)
    ours, theirs = ((np.asarray(one) < 128).sum(axis=0) for one in (rows, sheet))
    assert still.kind == "clean" and np.abs(ours - theirs).max() <= 2


def test_no_ink_is_cut_off():
    """The border of a clean picture is white on every side, for every face and the widest level of sizes."""
    for number, face in enumerate(shipped()):
        picture = drawn(Clean(), face, "WgjÄy|()Q_{} WWWW", number)
        assert picture[0].min() > 200 and picture[-1].min() > 200, face.name
        assert picture[:, 0].min() > 200 and picture[:, -1].min() > 200, face.name


def test_a_turned_line_leans_and_stays_on_the_picture():
    level = LineLevel.kinds["hard"](
        rotation=(2, 2),
        skew=(0, 0),
        noise=(0, 0),
        stain=(0, 0),
        blur=(0, 0),
        weight=(0, 0),
        ink=(0, 0),
        paper=(255, 255),
    )
    text = "x" * 60
    picture = drawn(level, shipped()[0], text)
    ink = 255.0 - picture
    middle = (ink * np.arange(HEIGHT)[:, None]).sum(0)[20:-20] / ink.sum(0)[20:-20].clip(1)
    columns = ink.sum(0)[20:-20] > 100
    slope = np.polyfit(np.arange(len(middle))[columns], middle[columns], 1)[0]
    assert 0.02 < abs(slope) < 0.04, "two degrees are 0.035"
    assert picture[0].min() > 200 and picture[-1].min() > 200


def test_hard_lines_have_noise_and_clean_ones_none():
    face = shipped()[4]
    assert {*np.unique(drawn(Clean(), face)[:, :1])} <= {*range(240, 256)}
    hard = drawn(Hard(), face)
    assert hard[:, :1].std() > 3 and hard.max() < 255
