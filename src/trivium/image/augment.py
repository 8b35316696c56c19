"""Augmentation: a picture of training is turned, moved, lit and disturbed anew in every epoch.

The change is a function of the picture and of a generator whose seed is (seed, epoch, row): nothing else is random.
"""

import math
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from trivium.base.config import Config
from trivium.base.plugin import extra
from trivium.base.types import Patches
from trivium.image.processor import ImageProcessor
from trivium.image.read import Source, read

Rng = np.random.Generator


class Augment(Config):
    """The most that each property of a picture changes; what is 0 stays as it is."""

    rotate: float = Field(0.0, ge=0, le=180)
    """Degrees, to either side."""
    shift: float = Field(0.0, ge=0, le=1)
    """The share of the height, along both axes."""
    scale: float = Field(0.0, ge=0, lt=1)
    """The share by which it grows or shrinks."""
    brightness: float = Field(0.0, ge=0, le=1)
    """The share of 255 that is added or taken away."""
    contrast: float = Field(0.0, ge=0, lt=1)
    """The share by which differences from grey grow or shrink."""
    noise: float = Field(0.0, ge=0, le=1)
    """The share of 255 that is the deviation of the noise of each pixel."""
    flip: float = Field(0.0, ge=0, le=1)
    """The probability that left and right change places."""

    def __call__(self, colours: np.ndarray, rng: Rng, background: tuple[int, ...]) -> np.ndarray:
        """Return changed colours, uint8 [H, W, 3]; what comes from outside of the picture is `background`."""
        turn, right, down, size, light, strength = rng.uniform(-1, 1, 6)
        if rng.random() < self.flip:
            colours = colours[:, ::-1]
        if self.rotate or self.shift or self.scale:
            height = len(colours)
            angle, grown = math.radians(turn * self.rotate), 1 + size * self.scale
            colours = _moved(colours, angle, grown, right * self.shift * height, down * self.shift * height, background)
        if self.brightness or self.contrast or self.noise:
            levels = (colours - 127.5) * (1 + strength * self.contrast) + 127.5 + light * self.brightness * 255
            if self.noise:
                levels = levels + rng.normal(0, self.noise * 255, levels.shape)
            colours = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
        return np.ascontiguousarray(colours)


def _moved(
    colours: np.ndarray, angle: float, grown: float, right: float, down: float, background: tuple[int, ...]
) -> np.ndarray:
    """Turn colours around their middle, and move them by pixels."""
    image = extra("PIL.Image", "augmenting pictures (extra image)")
    height, width = colours.shape[:2]
    cos, sin = math.cos(angle) / grown, math.sin(angle) / grown
    x, y = width / 2 + right, height / 2 + down  # where the middle goes
    place = (cos, sin, width / 2 - cos * x - sin * y, -sin, cos, height / 2 + sin * x - cos * y)
    picture = image.fromarray(np.ascontiguousarray(colours))
    how = image.Transform.AFFINE, place, image.Resampling.BICUBIC
    return np.asarray(picture.transform((width, height), *how, fillcolor=tuple(background)))


@dataclass(frozen=True)
class PictureReader:
    """How a model reads a picture: its processor, and in training the changes before it."""

    processor: ImageProcessor
    augment: Augment | None = None

    def __call__(self, source: Source, rng: Rng | None = None) -> Patches:
        """Return the patches of a picture, changed where there are random numbers to do it by."""
        return self.seen(source, rng)[0]

    def seen(self, source: Source, rng: Rng | None = None) -> tuple[Patches, bool]:
        """Return the patches of a picture, and whether it had to be resized to another ratio."""
        processor = self.processor
        colours = read(source, processor.background)
        if self.augment is not None and rng is not None:
            colours = self.augment(colours, rng, processor.background)
        return processor.patches(processor.resized(colours)), processor.bends(*colours.shape[:2])
