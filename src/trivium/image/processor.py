"""The processor: colours become patches, as a stock image processor and the convolution behind it see them.

Resizing always smooths what it shrinks. Either every picture takes one size, as ViT has it, or only the height is
given and the width keeps its proportion: then the last column is repeated up to a whole patch, and a picture wider than
`max_width` is squeezed.
"""

from collections.abc import Mapping
from typing import Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from trivium.base.config import Config, Seq, parse
from trivium.base.errors import ModelError
from trivium.base.plugin import extra
from trivium.base.types import Patches
from trivium.image.read import WHITE, Source, read

CONFIG = "preprocessor_config.json"
PROCESSOR = "image"
"""The key of trivium.json and of recipes for how pictures become patches."""
FILTERS = {"lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4, "hamming": 5}
"""The ways to resize, and PIL's numbers of them. `nearest` (0) is none: it drops pixels."""
STOCK = "ViTImageProcessor"
"""The stock class that computes what a processor of one size computes."""
OFF = ("do_center_crop", "do_pad", "do_thumbnail", "do_align_long_axis", "do_image_splitting", "crop_pct")
"""Steps of stock processors that none of ours has."""


class ImageProcessor(Config):
    """How a picture becomes patches."""

    height: int = Field(224, gt=0, le=1 << 13)
    """The height in pixels, a multiple of the patch."""
    width: int | None = Field(224, gt=0, le=1 << 13)
    """The width in pixels; None keeps the proportion."""
    max_width: int | None = Field(None, gt=0, le=1 << 16)
    """The most pixels of a width that keeps its proportion."""
    patch: int = Field(16, gt=0, le=1 << 10)
    """The pixels of a side of a patch."""
    patch_width: int | None = Field(None, gt=0, le=1 << 16)
    """The pixels of its width, where it is not as wide as high: a patch of a line may be a column of it."""
    channels: Literal[1, 3] = 3
    """Red, green and blue, or grey alone."""
    class_token: bool = False
    """Whether a patch of zeros stands first, in whose place the model puts its class token."""
    resample: Literal["bilinear", "bicubic", "lanczos", "box", "hamming"] = "bilinear"
    """The filter of resizing."""
    rescale: float | None = Field(1 / 255, gt=0, le=1e6)
    """What a level from 0 to 255 is multiplied by; None leaves it."""
    mean: Seq[float] | None = (0.5, 0.5, 0.5)
    """What is subtracted from each channel then; None subtracts nothing and divides by nothing."""
    std: Seq[float] = (0.5, 0.5, 0.5)
    """What each channel is divided by."""
    background: Seq[int] = WHITE
    """The colour behind transparent pixels."""

    @model_validator(mode="before")
    @classmethod
    def _each(cls, data: Any) -> Any:
        """Read one number of `mean` or `std` as that of every channel; with `max_width` the width has a proportion."""
        if not isinstance(data, dict):
            return data
        if data.get("max_width") is not None and "width" not in data:
            data = {**data, "width": None}
        one: dict[str, Any] = {}
        for name in ("mean", "std"):
            given = data.get(name, cls.model_fields[name].default)
            values = [given] if isinstance(given, int | float) else given
            if isinstance(values, list | tuple) and len(values) in (1, 3) and len({*values}) == 1:
                values = [values[0]] * data.get("channels", 3)
            one[name] = values
        return {**data, **one}

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for name, side in (("height", self.patch), ("width", self.wide), ("max_width", self.wide)):
            if (value := getattr(self, name)) is not None and value % side:
                raise ValueError(f"{name}: expected a multiple of the patch of {side} pixels, found {value}")
        if (self.width is None) == (self.max_width is None):
            raise ValueError("expected either width (one size for all) or max_width (a width in proportion)")
        for name in ("mean", "std"):
            if (values := getattr(self, name)) is not None and len(values) != self.channels:
                raise ValueError(f"{name}: expected {self.channels} numbers, one a channel, found {len(values)}")
        if any(value <= 0 for value in self.std):
            raise ValueError(f"std: expected numbers above 0, found {list(self.std)}")
        if len(self.background) != 3 or not all(0 <= level <= 255 for level in self.background):
            raise ValueError(f"background: expected three levels from 0 to 255, found {list(self.background)}")
        return self

    @property
    def wide(self) -> int:
        """The pixels of the width of a patch."""
        return self.patch_width or self.patch

    def __call__(self, source: Source, where: str = "") -> Patches:
        """Return the patches of a picture: see `image.read` for what a source may be, and for what is an error."""
        return self.patches(self.resized(read(source, self.background, where)))

    def fitted(self, height: int, width: int) -> tuple[int, int]:
        """Return the height and the width in pixels that a picture of this size is resized to."""
        if self.width is not None:
            return self.height, self.width
        assert self.max_width is not None
        return self.height, min(max(1, round(width * self.height / height)), self.max_width)

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Return how many rows and columns of patches a picture of this size becomes."""
        high, wide = self.fitted(height, width)
        return high // self.patch, -(-wide // self.wide)

    def length(self, height: int, width: int) -> int:
        """Return how many patches a picture of this size becomes, the class token's included."""
        rows, columns = self.grid(height, width)
        return rows * columns + self.class_token

    @property
    def longest(self) -> int:
        """The most patches of a picture."""
        return self.height // self.patch * ((self.width or self.max_width or 0) // self.wide) + self.class_token

    def bends(self, height: int, width: int) -> bool:
        """Return whether a picture of this size is resized to another ratio, by more than 2 %."""
        high, wide = self.fitted(height, width)
        return abs(wide * height / (high * width) - 1) > 0.02 and abs(width * high / height - wide) > 1

    def resized(self, colours: np.ndarray) -> np.ndarray:
        """Return colours [H, W, 3] in the size and the channels that patches are cut of, uint8 [H', W', C]."""
        size = self.fitted(*colours.shape[:2])
        if self.channels != 3 or size != colours.shape[:2]:
            picture = extra("PIL.Image", "resizing pictures (extra image)").fromarray(np.ascontiguousarray(colours))
            picture = picture if self.channels == 3 else picture.convert("L")
            picture = picture.resize(size[::-1], resample=FILTERS[self.resample])
            colours = np.asarray(picture).reshape(*size, self.channels)
        return np.pad(colours, ((0, 0), (0, -size[1] % self.wide), (0, 0)), mode="edge")

    def patches(self, levels: np.ndarray) -> Patches:
        """Return the patches of levels uint8 [H, W, C], whose sides are multiples of the patch."""
        high, wide, channels = self.patch, self.wide, self.channels
        rows, columns = levels.shape[0] // high, levels.shape[1] // wide
        cut = levels.reshape(rows, high, columns, wide, channels).transpose(0, 2, 4, 1, 3)  # R C channel y x
        table, channel = self._table(), np.arange(channels)[:, None, None]
        values = table[channel, cut].reshape(rows * columns, channels * high * wide)  # T P
        places = np.indices((rows, columns)).reshape(2, -1).T  # T 2
        if self.class_token:
            values, places = (np.concatenate([np.zeros_like(part[:1]), part]) for part in (values, places))
        return Patches(values, np.ascontiguousarray(places, dtype=np.int64))

    def levels(self, values: np.ndarray, places: np.ndarray) -> np.ndarray:
        """Return the levels, uint8 [H, W, C], that patches [T, P] at places [T, 2] were cut of."""
        values, places = values[self.class_token :], places[self.class_token :]
        rows, columns = places.max(axis=0) + 1
        high, wide, channels = self.patch, self.wide, self.channels
        cut = values.reshape(rows, columns, channels, high, wide).transpose(0, 3, 1, 4, 2)  # R y C x channel
        found = cut.reshape(rows * high, columns * wide, channels)
        if self.mean is not None:
            found = found * np.array(self.std, dtype=np.float32) + np.array(self.mean, dtype=np.float32)
        return np.rint(np.clip(found / (self.rescale or 1), 0, 255)).astype(np.uint8)

    def _table(self) -> np.ndarray:
        """Return what each level of each channel becomes, float32 [C, 256], rounded where stock rounds."""
        levels = np.arange(256, dtype=np.float64)
        levels = (levels if self.rescale is None else levels * self.rescale).astype(np.float32)
        if self.mean is None:
            return np.tile(levels, (self.channels, 1))
        mean, std = (np.array(values, dtype=np.float32)[:, None] for values in (self.mean, self.std))
        return (levels - mean) / std  # type: ignore[no-any-return]

    def stock(self, kind: str = STOCK) -> dict[str, Any] | None:
        """Return the processor as `preprocessor_config.json` of a stock class; None where none can say it."""
        if self.width is None or self.patch_width or self.channels != 3 or self.background != WHITE:
            return None
        return {
            "image_processor_type": kind,
            "do_convert_rgb": True,  # transparent pixels lie on white
            "do_resize": True,
            "size": {"height": self.height, "width": self.width},
            "resample": FILTERS[self.resample],
            "do_rescale": self.rescale is not None,
            "rescale_factor": 1 / 255 if self.rescale is None else self.rescale,
            "do_normalize": self.mean is not None,
            "image_mean": list(self.mean or (0.0,) * 3),
            "image_std": list(self.std),
        }

    @classmethod
    def of_stock(cls, tree: Mapping[str, Any], patch: int, class_token: bool, where: str = CONFIG) -> Self:
        """Return the processor that a `preprocessor_config.json` describes; ModelError names what none of ours does.

        The model's config says the patch and whether there is a class token.
        """
        wrong = [name for name in OFF if tree.get(name)]
        size, number = tree.get("size", 224), tree.get("resample", 2)
        size = [size, size] if isinstance(size, int) else size
        size = {"height": size[0], "width": size[1]} if isinstance(size, list) and len(size) == 2 else size
        if not (isinstance(size, Mapping) and {*size} == {"height", "width"}):
            wrong.append(f"size {size!r}")
        if tree.get("do_resize", True) is not True:
            wrong.append("do_resize false")
        if number not in FILTERS.values():
            wrong.append(f"resample {number!r}")
        if wrong:
            raise ModelError(f"{where}: expected a picture of one height and width, found {', '.join(wrong)}")
        means = {"mean": tree.get("image_mean", [0.5] * 3), "std": tree.get("image_std", [0.5] * 3)}
        normal = means if tree.get("do_normalize", True) else {"mean": None}
        rescale = tree.get("rescale_factor", 1 / 255) if tree.get("do_rescale", True) else None
        named = next(name for name, one in FILTERS.items() if one == number)
        found = {"height": size["height"], "width": size["width"], "patch": patch, "class_token": class_token}
        return parse(cls, {**found, "resample": named, "rescale": rescale, **normal}, where)
