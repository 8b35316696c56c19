"""Faces: the fonts in which lines are drawn, which signs each has, and which faces are held out.

The sixteen faces come with matplotlib. Its others (`cm*`, `*Display`, `STIXNonUni*`, `STIXSiz*`, `LastResort*`) lack
signs of plain text or put them elsewhere.
"""

from collections.abc import Iterable
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from trivium.base.errors import DataError
from trivium.base.plugin import extra

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
COLLECTIONS = {".ttc", ".otc"}
SUFFIXES = {".ttf", ".otf", *COLLECTIONS}
FAMILY = (1, 16)
"""The numbers of the names of a family in a font."""


class Face(NamedTuple):
    """One font of a file; a collection (.ttc) has several, which share glyphs."""

    path: Path
    number: int = 0
    """Its place in a collection."""

    @property
    def name(self) -> str:
        """The name of the file without its suffix, such as DejaVuSans-Bold; behind the first font with its number."""
        return f"{self.path.stem}:{self.number}" if self.number else self.path.stem

    def signs(self) -> frozenset[int]:
        """Return the code points that the face can draw."""
        return _signs(self)

    def lacks(self, text: str) -> str:
        """Return the signs of a text that the face has not, in order."""
        return "".join(sorted({sign for sign in text if ord(sign) not in self.signs()}))

    def sized(self, size: float) -> Any:
        """Return Pillow's font at a size in pixels. The basic layout gives the same picture with every Pillow."""
        return _sized(self, size)


def _opened(path: Path) -> list[Any]:
    """Return the fonts of a file; tables are read as they are used."""
    from fontTools.ttLib import TTCollection, TTFont, TTLibError

    try:
        if path.suffix.lower() in COLLECTIONS:
            return TTCollection(path, lazy=True).fonts
        return [TTFont(path, lazy=True)]
    except (OSError, TTLibError) as failed:
        raise DataError(f"{path}: expected a font ({', '.join(sorted(SUFFIXES))}), found {failed}") from failed


@cache
def _signs(face: Face) -> frozenset[int]:
    return frozenset(_opened(face.path)[face.number].getBestCmap() or ())


@lru_cache(maxsize=1024)
def _sized(face: Face, size: float) -> Any:
    fonts = extra("PIL.ImageFont", "drawing lines (extra image)")
    return fonts.truetype(str(face.path), size, index=face.number, layout_engine=fonts.Layout.BASIC)


def shipped() -> list[Face]:
    """Return the sixteen faces that matplotlib ships."""
    import matplotlib

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return [Face(folder / f"{family}{style}.ttf") for family, styles in STYLES.items() for style in styles]


def named(fonts: Iterable[str]) -> list[Face]:
    """Return the faces that names stand for: a font file, a folder of them, or a family installed on this machine.

    A DataError names what is none of these, such as `Noto Sans CJK SC` where no package of Debian brings it.
    """
    found: dict[Face, None] = {}
    for name in fonts:
        path = Path(name)
        if path.is_dir():
            faces = [Face(file) for file in sorted(path.rglob("*")) if file.suffix.lower() in SUFFIXES]
        elif path.suffix.lower() in SUFFIXES or path.is_file():
            faces = [Face(path)]
        else:
            faces = _installed(name)
        if not faces:
            raise DataError(f"{name}: expected a font file, a folder of fonts or the family of an installed font")
        for face in faces:
            if not face.path.is_file():
                raise DataError(f"{face.path}: no such font file")
            _opened(face.path)
            found[face] = None
    return [*found]


def _installed(family: str) -> list[Face]:
    """Return the fonts of a family that this machine has, by any of its names; case and spaces do not count."""
    from matplotlib.font_manager import findSystemFonts

    def plain(name: str) -> str:
        return name.replace(" ", "").lower()

    faces = []
    for file in sorted(map(Path, findSystemFonts())):
        try:
            for number, font in enumerate(_opened(file)):
                names = {plain(one.toUnicode()) for one in font["name"].names if one.nameID in FAMILY}
                faces += [Face(file, number)] if plain(family) in names else []
        except Exception:  # a broken font of the machine may raise anything, and is none of this family
            continue
    return faces


def faces_of(part: Part, fonts: Iterable[str] = ()) -> list[Face]:
    """Return the faces of a part. Fonts that a person names join those of training; they are never held out."""
    held = {name: kind for kind, names in HELD_OUT.items() for name in names}
    wanted = part if part in HELD_OUT else None
    own = [] if wanted else named(fonts)
    return [face for face in shipped() if held.get(face.name) == wanted] + own
