from pathlib import Path

import pytest
from fontTools.ttLib import TTCollection

from fonts import font
from trivium.base.errors import DataError
from trivium.image.lines.face import HELD_OUT, STYLES, Face, faces_of, named, shipped

ASCII = "".join(map(chr, range(33, 127)))


def test_the_sixteen_faces_have_every_sign_of_plain_text():
    faces = shipped()
    assert len(faces) == 16 and len(STYLES) == 4 and all(face.path.is_file() for face in faces)
    assert not any(face.lacks(ASCII) for face in faces)


def test_the_fonts_that_are_left_out_lack_or_misplace_signs():
    """STIXNonUni lacks the alphabet; LastResort draws every sign as the same box."""
    folder = shipped()[0].path.parent
    assert Face(folder / "STIXNonUni.ttf").lacks("abc") == "abc"


def test_parts_share_no_face_that_is_held_out():
    train, face, family = (
        {one.name for one in faces_of(part)}
        for part in ("train", "face", "family")  # type: ignore[arg-type]
    )
    assert train == {one.name for one in faces_of("texts")} and len(train) == 11
    assert not train & face and not train & family and not face & family
    assert len(face) == 1 and len(family) == 4 and train | face | family == {one.name for one in shipped()}
    held = next(iter(face))
    known = next(name for name in STYLES if held.startswith(name))
    assert any(name.startswith(known) for name in train), "the held-out face is of a known family"
    lost = {name for name in STYLES if all(f"{name}{style}" in family for style in STYLES[name])}
    assert lost == {"DejaVuSerif"} and not any(name.startswith("DejaVuSerif") for name in train)
    assert {*HELD_OUT["face"], *HELD_OUT["family"]} == face | family


def test_named_fonts_are_files_folders_and_installed_families(tmp_path: Path):
    mono = next(face.path for face in shipped() if face.name == "DejaVuSansMono")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "mine.ttf").write_bytes(mono.read_bytes())
    (tmp_path / "readme.txt").write_text("no font")
    assert [face.name for face in named([str(mono), str(tmp_path), str(mono)])] == ["DejaVuSansMono", "mine"]
    assert [face.name for face in faces_of("train", [str(tmp_path)])][-1] == "mine"
    assert "mine" not in {face.name for face in faces_of("family", [str(tmp_path)])}
    for wrong, found in (("No Such Family", "expected a font file"), (str(tmp_path / "x.ttf"), "no such font file")):
        with pytest.raises(DataError, match=found):
            named([wrong])
    with pytest.raises(DataError, match="expected a font"):
        named([str(tmp_path / "readme.txt")])


def test_a_font_of_a_collection_is_found_by_its_family(tmp_path: Path, monkeypatch):
    collection = TTCollection()
    collection.fonts = [font(tmp_path / f"{n}.ttf", text, f"Two {n}") for n, text in enumerate(("ab", "世界"))]
    collection.save(tmp_path / "both.ttc")
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    files = [str(tmp_path / name) for name in ("both.ttc", "broken.ttf")]
    monkeypatch.setattr("matplotlib.font_manager.findSystemFonts", lambda: files)
    (face,) = named(["two1"])
    assert face == Face(tmp_path / "both.ttc", 1) and face.name == "both:1"
    assert face.lacks("a世界b") == "ab" and Face(tmp_path / "both.ttc").lacks("a世界b") == "世界"
    assert face.sized(20).getname() == ("Two 1", "Regular")
    with pytest.raises(DataError, match="expected a font file"):
        named(["two2"])
    with pytest.raises(DataError, match=r"broken.ttf: expected a font"):
        named([str(tmp_path / "broken.ttf")])


def test_the_signs_of_a_face_are_those_that_freetype_finds():
    from matplotlib.ft2font import FT2Font

    for face in shipped():
        assert face.signs() == frozenset(FT2Font(str(face.path)).get_charmap())
