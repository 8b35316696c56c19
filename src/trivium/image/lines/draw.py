"""Drawing: one text in one face at one level becomes a picture of one line, 32 pixels high."""

import math
from typing import Any

import numpy as np

from trivium.base.plugin import extra
from trivium.image.lines.face import Face
from trivium.image.lines.level import Level

HEIGHT = 32
"""The height of every line in pixels."""


def draw(text: str, face: Face, level: Level, rng: np.random.Generator) -> np.ndarray:
    """Return a grey picture, uint8 [32, W], of a text on one line; every choice comes from `rng`."""
    draws = {name: float(rng.uniform(*getattr(level, name))) for name in type(level).model_fields if name != "margin"}
    left, right = rng.integers(1, level.margin + 1, 2).tolist() if level.margin else (0, 0)
    ink = _printed(text, face, draws, left, right, rng)
    if draws["weight"]:
        ink = _weighed(ink, draws["weight"])
    grey = draws["paper"] + _stain(ink.shape, draws["stain"], rng)
    grey += ink * ((draws["ink"] - grey) / 255)
    picture = extra("PIL.Image", "drawing lines").fromarray(grey.clip(0, 255).astype(np.uint8))
    if draws["blur"]:
        picture = picture.filter(extra("PIL.ImageFilter", "drawing lines").GaussianBlur(draws["blur"]))
    if not draws["noise"]:
        return np.asarray(picture)
    grey = np.asarray(picture) + draws["noise"] * rng.standard_normal(ink.shape, np.float32)
    return grey.round().clip(0, 255).astype(np.uint8)


def _printed(
    text: str, face: Face, draws: dict[str, float], left: int, right: int, rng: np.random.Generator
) -> np.ndarray:
    """Return how much ink each pixel has, float32 [32, W], 0 to 255: the text, slanted, stretched and turned."""
    font = face.sized(round(draws["size"] * 4) / 4)
    above, below = font.getmetrics()
    while above + below > HEIGHT - 1:  # a face with tall lines is drawn smaller
        font = face.sized(font.size - 0.5)
        above, below = font.getmetrics()
    slant, stretch = draws["skew"], draws["stretch"]
    length, overhang = font.getlength(text), math.ceil(abs(slant) * (above + below)) + 2
    width = math.ceil(length * stretch) + left + right + 2 * overhang
    # A long line is turned less, so that its ends stay on the picture.
    most = math.degrees(math.atan(max(0.0, HEIGHT - above - below) / max(1.0, length * stretch)))
    angle = math.radians(min(max(draws["rotation"], -most), most))
    room = (HEIGHT - above - below - length * stretch * abs(math.sin(angle))) / 2
    shift = float(rng.uniform(-1, 1)) * max(0.0, room) * 0.6
    size = (width, HEIGHT)
    sheet = extra("PIL.Image", "drawing lines").new("L", (math.ceil(length) + 2 * overhang, HEIGHT), 0)
    pen = extra("PIL.ImageDraw", "drawing lines").Draw(sheet)
    pen.text((overhang, (HEIGHT - above - below) / 2), text, fill=255, font=font)
    if not (slant or angle or shift or stretch != 1):
        shift = 0.0
    cos, sin, middle = math.cos(angle), math.sin(angle), HEIGHT / 2
    # From a pixel of the picture back to the sheet: turn about the middle, then take the slant and the stretch away.
    a, b = cos, -sin
    c = width / 2 - cos * width / 2 + sin * (middle + shift)
    d, e = sin, cos
    f = middle - sin * width / 2 - cos * (middle + shift)
    a, b, c = a + slant * d, b + slant * e, c + slant * (f - middle)
    start = overhang + left
    row = (a / stretch, b / stretch, (c - start) / stretch + overhang, d, e, f)
    image: Any = sheet.transform(size, 0, row, 3)  # AFFINE, BICUBIC
    return np.asarray(image, dtype=np.float32)


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
    image = extra("PIL.Image", "drawing lines").fromarray(coarse)
    return np.array(image.resize((shape[1], shape[0]), 3), dtype=np.float32)
