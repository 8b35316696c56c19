"""Levels: how hard a drawn line is to read. A level is a table of ranges from which each line draws."""

from functools import cached_property

from pydantic import Field

from trivium.base.config import Choice, Seq

Range = Seq[float]
"""The least and the most of a value that each line draws evenly."""


class LineLevel(Choice):
    """How a line is printed and photographed; every field is a range of pixels, degrees, or levels of grey (0-255)."""

    size: Range = (16.0, 24.0)
    """Pixels of the font."""
    ink: Range = (0.0, 0.0)
    """The grey of the signs."""
    paper: Range = (255.0, 255.0)
    """The grey of the ground."""
    rotation: Range = (0.0, 0.0)
    """Degrees by which the line is turned."""
    skew: Range = (0.0, 0.0)
    """The slant that is added: pixels to the right for each pixel up."""
    stretch: Range = (1.0, 1.0)
    """The factor of the width."""
    weight: Range = (0.0, 0.0)
    """How much ink spreads (above 0) or fades (below 0), as a share of the next pixel."""
    blur: Range = (0.0, 0.0)
    """The radius of a Gaussian blur in pixels."""
    noise: Range = (0.0, 0.0)
    """The standard deviation of the grey of each pixel."""
    stain: Range = (0.0, 0.0)
    """The standard deviation of slow changes of the paper."""
    margin: int = Field(6, gt=0)
    """The most pixels of empty paper before and behind the line."""

    @cached_property
    def ranges(self) -> list[tuple[str, tuple[float, ...]]]:
        """The ranges by name."""
        return [
            ("size", self.size),
            ("ink", self.ink),
            ("paper", self.paper),
            ("rotation", self.rotation),
            ("skew", self.skew),
            ("stretch", self.stretch),
            ("weight", self.weight),
            ("blur", self.blur),
            ("noise", self.noise),
            ("stain", self.stain),
        ]


class Clean(LineLevel, kind="clean"):
    """Black on white, as a program shows it."""


class Worn(LineLevel, kind="worn"):
    """A copy of a copy: grey ink, uneven paper, soft edges."""

    size: Range = (14.0, 22.0)
    ink: Range = (0.0, 90.0)
    paper: Range = (190.0, 255.0)
    rotation: Range = (-0.7, 0.7)
    skew: Range = (-0.12, 0.12)
    stretch: Range = (0.9, 1.1)
    weight: Range = (-0.3, 0.5)
    blur: Range = (0.0, 0.8)
    noise: Range = (0.0, 12.0)
    stain: Range = (0.0, 10.0)


class Hard(LineLevel, kind="hard"):
    """A bad photograph of small print: 10 to 14 pixels, noise, turned by up to 2 degrees."""

    size: Range = (10.0, 14.0)
    ink: Range = (15.0, 90.0)
    paper: Range = (165.0, 238.0)
    rotation: Range = (-2.0, 2.0)
    skew: Range = (-0.15, 0.15)
    stretch: Range = (0.9, 1.1)
    weight: Range = (-0.3, 0.5)
    blur: Range = (0.35, 0.85)
    noise: Range = (8.0, 22.0)
    stain: Range = (4.0, 14.0)
