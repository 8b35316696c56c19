"""Faces: the fonts in which lines are drawn, which signs each has, and which faces are held out.

The sixteen faces come with matplotlib. Its others (`cm*`, `*Display`, `STIXNonUni*`, `STIXSiz*`, `LastResort*`) lack
signs of plain text or put them elsewhere.
"""

from collections.abc import Iterable
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from trivium.base.errors import DataError

Part = Literal["train", "texts", "face", "family"]
"""What a line is drawn of: `train` is what training sees; the others draw held-out texts, `texts` in the faces of
training, `face` in the held-out face of a known family, `family` in the held-out family."""

STYLES = {
    "DejaVuSans": ("", "-Bold", "-Oblique", "-BoldOblique"),
    "DejaVuSansMono": ("", "-Bold", "-Oblique", "-BoldOblique"),
    "DejaVuSerif": ("", "-Bold", "-Italic", "-BoldItalic"),
    "STIXGeneral": ("", "Bol", "Italic", "BolIta"),
}
"""The families that matplotlib ships, and how the files of their four faces end."""

HELD_OUT = {"face": ("STIXGeneralBolIta",), "family": tuple(f"DejaVuSerif{style}" for style in STYLES["DejaVuSerif"])}
"""The faces of matplotlib that training never draws, by part."""
SUFFIXES = {".ttf", ".otf", ".ttc", ".otc"}


class Face(NamedTuple):
    """One font file."""

    path: Path

    @property
    def name(self) -> str:
        """The name of the file without its suffix, such as DejaVuSans-Bold."""
        return self.path.stem

    def signs(self) -> frozenset[int]:
        """Return the code points that the face can draw."""
        return _signs(self.path)

    def lacks(self, text: str) -> str:
        """Return the signs of a text that the face has not, in order."""
        return "".join(sorted({sign for sign in text if ord(sign) not in self.signs()}))

    def sized(self, size: float) -> Any:
        """Return Pillow's font at a size in pixels. The basic layout gives the same picture with every Pillow."""
        return _sized(self.path, size)


def _opened(path: Path) -> Any:
    from matplotlib.ft2font import FT2Font

    try:
        return FT2Font(str(path))
    except (OSError, RuntimeError) as failed:
        raise DataError(f"{path}: expected a font ({', '.join(sorted(SUFFIXES))}), found {failed}") from failed


@cache
def _signs(path: Path) -> frozenset[int]:
    return frozenset(_opened(path).get_charmap())


@lru_cache(maxsize=1024)
def _sized(path: Path, size: float) -> Any:
    from trivium.base.plugin import extra

    fonts = extra("PIL.ImageFont", "drawing lines")
    return fonts.truetype(str(path), size, layout_engine=fonts.Layout.BASIC)


def shipped() -> list[Face]:
    """Return the sixteen faces that matplotlib ships."""
    import matplotlib

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return [Face(folder / f"{family}{style}.ttf") for family, styles in STYLES.items() for style in styles]


def named(fonts: Iterable[str]) -> list[Face]:
    """Return the faces that names stand for: a font file, a folder of them, or a family installed on this machine.

    A DataError names what is none of these, such as `Noto Sans CJK SC` where no package of Debian brings it.
    """
    found: dict[Path, None] = {}
    for name in fonts:
        path = Path(name)
        if path.is_dir():
            faces = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES)
        elif path.suffix.lower() in SUFFIXES or path.is_file():
            faces = [path]
        else:
            faces = _installed(name)
        if not faces:
            raise DataError(f"{name}: expected a font file, a folder of fonts or the family of an installed font")
        for file in faces:
            if not file.is_file():
                raise DataError(f"{file}: no such font file")
            _opened(file)
            found[file] = None
    return list(map(Face, found))


def _installed(family: str) -> list[Path]:
    """Return the font files of a family that this machine has; case and spaces do not count."""
    from matplotlib.font_manager import findSystemFonts

    def plain(name: str) -> str:
        return name.replace(" ", "").lower()

    files = []
    for file in sorted(map(Path, findSystemFonts())):
        try:
            if plain(_opened(file).family_name) == plain(family):
                files.append(file)
        except DataError:  # a broken font of the machine is none of this family
            continue
    return files


def faces_of(part: Part, fonts: Iterable[str] = ()) -> list[Face]:
    """Return the faces of a part. Fonts that a person names join those of training; they are never held out."""
    held = {name: kind for kind, names in HELD_OUT.items() for name in names}
    wanted = part if part in HELD_OUT else None
    own = [] if wanted else named(fonts)
    return [face for face in shipped() if held.get(face.name) == wanted] + own
