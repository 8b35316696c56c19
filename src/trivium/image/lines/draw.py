"""Drawing: one text in one face at one level becomes a picture of one line, 32 pixels high."""

import math
from typing import Any, NamedTuple

import numpy as np

from trivium.base.plugin import extra
from trivium.image.lines.face import Face
from trivium.image.lines.level import LineLevel
from trivium.image.processor import FILTERS

HEIGHT = 32
"""The height of every line in pixels."""
NEEDS = "drawing lines (extra image)"
AFFINE, BICUBIC = 0, FILTERS["bicubic"]
"""Pillow's numbers of them."""


class Sketch(NamedTuple):
    """All that is known of a picture before a pixel of it is drawn."""

    text: str
    face: Face
    drawn: dict[str, float]
    """What was drawn from each range of the level, and the margins `left` and `right`."""
    size: float
    """Pixels of the font."""
    length: float
    """Pixels of the text before it is slanted and stretched."""
    width: int
    """Pixels of the picture."""

    @property
    def overhang(self) -> int:
        """The pixels beside the text that italics and the slant may reach."""
        return math.ceil(abs(self.drawn["skew"]) * HEIGHT) + 2


def plan(text: str, face: Face, level: LineLevel, rng: np.random.Generator) -> Sketch:
    """Return what is to be drawn: the ranges of a level give values by `rng`, a face with tall lines a smaller font."""
    shares = rng.random(len(level.ranges) + 2).tolist()
    drawn = {name: low + share * (high - low) for (name, (low, high)), share in zip(level.ranges, shares, strict=False)}
    drawn |= {name: 1.0 + int(share * level.margin) for name, share in zip(("left", "right"), shares[-2:], strict=True)}
    size = round(drawn["size"] * 4) / 4
    while sum(face.sized(size).getmetrics()) > HEIGHT - 1:
        size -= 0.5
    length = face.sized(size).getlength(text)
    made = Sketch(text, face, drawn, size, length, 0)
    return made._replace(
        width=math.ceil(length * drawn["stretch"] + drawn["left"] + drawn["right"]) + 2 * made.overhang
    )


def draw(made: Sketch, rng: np.random.Generator) -> np.ndarray:
    """Return the grey picture of a plan, uint8 [32, W]; noise, stains and the height of the line come from `rng`."""
    drawn, ink = made.drawn, _printed(made, float(rng.uniform(-1, 1)))
    if drawn["weight"]:
        ink = _weighed(ink, drawn["weight"])
    grey = drawn["paper"] + _stain(ink.shape, drawn["stain"], rng)
    grey += ink * ((drawn["ink"] - grey) / 255)
    if drawn["blur"]:
        picture = extra("PIL.Image", NEEDS).fromarray(grey.clip(0, 255).astype(np.uint8))
        picture = picture.filter(extra("PIL.ImageFilter", NEEDS).GaussianBlur(drawn["blur"]))
        grey = np.asarray(picture, dtype=np.float32)
    if drawn["noise"]:
        grey = grey + drawn["noise"] * rng.standard_normal(ink.shape, np.float32)
    return grey.round().clip(0, 255).astype(np.uint8)


def _printed(made: Sketch, high: float) -> np.ndarray:
    """Return how much ink each pixel has, float32 [32, W], 0 to 255: the text, slanted, stretched and turned.

    `high` from -1 to 1 moves it up or down where there is room.
    """
    drawn, font, over = made.drawn, made.face.sized(made.size), made.overhang
    tall, (image, pen) = sum(font.getmetrics()), (extra("PIL.Image", NEEDS), extra("PIL.ImageDraw", NEEDS))
    sheet = image.new("L", (math.ceil(made.length) + 2 * over, HEIGHT), 0)
    pen.Draw(sheet).text((over, (HEIGHT - tall) / 2), made.text, fill=255, font=font)
    slant, stretch, wide = drawn["skew"], drawn["stretch"], made.length * drawn["stretch"]
    # A long line is turned less, so that its ends stay on the picture.
    most = math.atan(max(0.0, HEIGHT - tall) / max(1.0, wide))
    angle = min(max(math.radians(drawn["rotation"]), -most), most)
    up = 0.3 * high * max(0.0, HEIGHT - tall - wide * abs(math.sin(angle)))
    cos, sin, x, y = math.cos(angle), math.sin(angle), made.width / 2, HEIGHT / 2
    # From a pixel of the picture back to the sheet: turn about the middle, then take slant, stretch and margin away.
    back = (sin, cos, y - sin * x - cos * (y + up))
    along = (cos, -sin, x - cos * x + sin * (y + up))
    a, b, c = (one + slant * other for one, other in zip(along, back, strict=True))
    start = over + drawn["left"] + slant * y
    place = (a / stretch, b / stretch, (c - start) / stretch + over, *back)
    turned: Any = sheet.transform((made.width, HEIGHT), AFFINE, place, BICUBIC)
    return np.asarray(turned, dtype=np.float32)


def _weighed(ink: np.ndarray, weight: float) -> np.ndarray:
    """Return ink that has spread to its neighbours, or faded beside paper, by a share of one pixel."""
    padded = np.pad(ink, 1)
    around = np.stack([padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]])
    other = around.max(0) if weight > 0 else around.min(0)
    return ink + abs(weight) * ((np.maximum if weight > 0 else np.minimum)(ink, other) - ink)


def _stain(shape: tuple[int, ...], spread: float, rng: np.random.Generator) -> np.ndarray:
    """Return slow changes of the paper, float32 [32, W]."""
    if not spread:
        return np.zeros(shape, np.float32)
    coarse = spread * rng.standard_normal((3, max(2, shape[1] // 24)), np.float32)
    picture = extra("PIL.Image", NEEDS).fromarray(coarse)
    return np.array(picture.resize(shape[::-1], BICUBIC), dtype=np.float32)
