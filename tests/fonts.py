"""Small fonts for tests, made here."""

from pathlib import Path

from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTFont


def font(path: Path, text: str, family: str = "Little") -> TTFont:
    """A font of squares: one glyph for each sign."""
    made = FontBuilder(1000, isTTF=True)
    names = [".notdef", *(f"u{ord(sign):04X}" for sign in text)]
    made.setupGlyphOrder(names)
    made.setupCharacterMap({ord(sign): name for sign, name in zip(text, names[1:], strict=True)})
    glyphs = {}
    for number, name in enumerate(names):
        pen = TTGlyphPen(None)
        if number:
            pen.moveTo((100, 0))
            for corner in ((100, 800), (900, 800), (900, 100 * (number % 7))):
                pen.lineTo(corner)
            pen.closePath()
        glyphs[name] = pen.glyph()
    made.setupGlyf(glyphs)
    made.setupHorizontalMetrics(dict.fromkeys(names, (1000, 0)))
    made.setupHorizontalHeader(ascent=880, descent=-120)
    made.setupNameTable({"familyName": family, "styleName": "Regular"})
    made.setupOS2(sTypoAscender=880)
    made.setupPost()
    made.save(path)
    return made.font
