"""A picture file becomes an array of colours, uint8 [H, W, 3].

The size is checked before anything is decoded. A picture stands as its EXIF data say; where it is transparent, it lies
on a background; 16 bits become the upper 8. Profiles of colour are not read, as in stock processors. What is truncated,
broken or animated is a DataError of one line. No address is ever fetched.
"""

import base64
import binascii
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np

from trivium.base.errors import DataError
from trivium.base.files import special
from trivium.base.plugin import extra

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "PPM", "TIFF")
"""The formats that are read; those that run another program, or hold vectors, are not among them."""
MOST_PIXELS = 1 << 26
"""The most pixels of a picture: 64 million."""
MOST_BYTES = 1 << 28
"""The most bytes of a file."""
WHITE = (255, 255, 255)
ORIENTATION = 0x0112
"""The tag of EXIF that says how a camera was held; from 5 on, height and width change places."""
Source = Any
"""A path, the bytes of a file, a PIL picture, an array uint8 [H, W] or [H, W, C] with 1, 3 or 4 channels, or what has
the methods of `PictureFile`."""


@dataclass(frozen=True)
class PictureFile:
    """A picture that is read when it is needed. What is drawn when it is needed has the same methods."""

    source: Path | bytes
    where: str
    """What stands before an error: the file and the row that name the picture, and its path."""
    name: str = ""
    """Its path as the row has it; "" of bytes in the row."""

    @property
    def file(self) -> Path | None:
        """The file that is read; None of bytes in the row."""
        return self.source if isinstance(self.source, Path) else None

    def size(self) -> tuple[int, int]:
        """Return its height and width in pixels, as it is read."""
        return size(self.source, self.where)

    def colours(self, background: tuple[int, ...] = WHITE) -> np.ndarray:
        """Return its colours, uint8 [H, W, 3]."""
        return read(self.source, background, self.where)


def read(source: Source, background: tuple[int, ...] = WHITE, where: str = "") -> np.ndarray:
    """Return the colours of a picture, uint8 [H, W, 3], its transparent pixels on `background`.

    `where` stands before an error in place of the path.
    """
    if hasattr(source, "colours"):
        source = source.colours(background)
    if isinstance(source, np.ndarray):
        return _array(source, background, where)
    with _opened(source, where) as (picture, name):
        turned = _pillow().ImageOps.exif_transpose(picture)
        return _colours(turned, background, name)


def size(source: Source, where: str = "") -> tuple[int, int]:
    """Return the height and the width of a picture as `read` gives it; only the head of a file is read."""
    with _opened(source, where) as (picture, _):
        # A PNG without EXIF in its head would be decoded to look for some behind its pixels.
        turned = (picture.format != "PNG" or "exif" in picture.info) and picture.getexif().get(ORIENTATION, 1) >= 5
        return (picture.width, picture.height) if turned else (picture.height, picture.width)


def beside(folder: Path, name: str) -> Path:
    """Return the path of a file that another one in `folder` names; a ValueError where it leads out of that folder."""
    if "://" in name or name[:5].lower() == "data:":
        raise ValueError(f"expected a path, found the address {name!r:.60}; none is fetched")
    path, home = folder / name, folder.resolve()
    if Path(name).is_absolute() or PureWindowsPath(name).is_absolute():
        raise ValueError(f"expected a path relative to {folder}, found {name!r}")
    try:
        inside = path.resolve().is_relative_to(home)
    except (OSError, RuntimeError, ValueError):  # a circle of links, a name with a zero byte
        raise ValueError(f"expected a path, found {name!r}") from None
    if not inside:
        raise ValueError(f"expected a file in {folder} or below, and {name!r} leads out of it")
    if not path.is_file():
        raise ValueError(f"expected a file, found none at {path}")
    return path


def unpacked(address: str) -> bytes:
    """Return the bytes of a `data:` address in base64; any other address is a ValueError, for none is fetched."""
    head, _, body = address.partition(",")
    if not (head[:5].lower() == "data:" and head.lower().endswith(";base64")):
        raise ValueError(f"expected data:image/...;base64,..., found {address!r:.60}; no address is fetched")
    if len(body) > MOST_BYTES // 3 * 4:
        raise ValueError(f"expected at most {MOST_BYTES >> 20} MiB, found {len(body) * 3 // 4 >> 20}")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError) as wrong:
        raise ValueError(f"expected base64: {wrong}") from None


def _pillow() -> Any:
    """Return Pillow; a DataError names the extra where it is missing."""
    pillow, image, _ = (extra(name, "reading pictures (extra image)") for name in ("PIL", "PIL.Image", "PIL.ImageOps"))
    warnings.simplefilter("ignore", image.DecompressionBombWarning)  # our own limit is lower, and an error
    return pillow


@contextmanager
def _opened(source: Source, where: str) -> Iterator[tuple[Any, str]]:
    """Yield a picture that is not decoded yet, and its name; whatever goes wrong inside is a DataError of one line."""
    pillow, path = _pillow(), source if isinstance(source, str | Path) else None
    name = where or (str(path) if path is not None else "picture")
    if path is not None:
        if not Path(path).is_file() or special(Path(path)):
            raise DataError(f"{name}: no such picture")
        if (found := Path(path).stat().st_size) > MOST_BYTES:
            raise DataError(f"{name}: expected at most {MOST_BYTES >> 20} MiB, found {found >> 20}")
    if isinstance(source, pillow.Image.Image):
        _check(source, name)
        yield source, name
        return
    try:
        with pillow.Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=FORMATS) as picture:
            _check(picture, name)
            yield picture, name
    except (DataError, MemoryError):
        raise
    except pillow.UnidentifiedImageError:
        raise DataError(f"{name}: expected a picture ({', '.join(FORMATS)}), found another file") from None
    except pillow.Image.DecompressionBombError:
        raise DataError(f"{name}: expected at most {MOST_PIXELS:,} pixels, found more") from None
    except Exception as broken:  # a broken file may raise anything
        what = " ".join(str(broken).split()) or type(broken).__name__
        raise DataError(f"{name}: expected a whole picture, found a broken one: {what:.200}") from None


def _check(picture: Any, name: str) -> None:
    """Refuse a picture that is too large, or that is several."""
    height, width = picture.height, picture.width
    if height * width > MOST_PIXELS:
        raise DataError(f"{name}: expected at most {MOST_PIXELS:,} pixels, found {width:,} x {height:,}")
    frames = getattr(picture, "n_frames", 1)
    if frames > 1 and picture.format != "MPO":  # a photograph with its preview is one picture
        raise DataError(f"{name}: expected one picture, found {frames} in one file; save one of them alone")


def _colours(picture: Any, background: tuple[int, ...], name: str) -> np.ndarray:
    mode = picture.mode
    if mode == "F":
        raise DataError(f"{name}: expected whole numbers, found a picture of floats, which have no range")
    if mode.startswith("I"):  # 16 bits; PIL would cut all above 255
        levels = np.clip(np.asarray(picture, dtype=np.int64), 0, 65535) >> 8
        return np.repeat(levels.astype(np.uint8)[:, :, None], 3, axis=2)  # H W 3
    if picture.has_transparency_data:
        under = _pillow().Image.new("RGBA", picture.size, (*background, 255))
        picture = _pillow().Image.alpha_composite(under, picture.convert("RGBA"))
    return np.array(picture.convert("RGB"))


def _array(source: np.ndarray, background: tuple[int, ...], where: str) -> np.ndarray:
    source = source[:, :, None] if source.ndim == 2 else source
    if source.dtype != np.uint8 or source.ndim != 3 or source.shape[2] not in (1, 3, 4) or not source.size:
        raise DataError(
            f"{where or 'picture'}: expected uint8 [H, W] or [H, W, C] with 1, 3 or 4 channels, "
            f"found {source.dtype} {list(source.shape)}"
        )
    if source.shape[0] * source.shape[1] > MOST_PIXELS:
        raise DataError(f"{where or 'picture'}: expected at most {MOST_PIXELS:,} pixels, found {list(source.shape)}")
    if source.shape[2] == 4:
        alpha = source[:, :, 3:].astype(np.float64) / 255
        return np.rint(alpha * source[:, :, :3] + (1 - alpha) * np.array(background)).astype(np.uint8)
    return np.broadcast_to(source, (*source.shape[:2], 3))
