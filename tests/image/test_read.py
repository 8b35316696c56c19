"""Picture files: modes, depths, rotation, transparency; what is broken, hostile or animated; paths that lead out."""

import base64
import io
import os
import struct
import sys
import zlib

import numpy as np
import pytest

from drawn import MODES, colours, picture, saved
from trivium.base.errors import DataError
from trivium.image import read as reading
from trivium.image.read import beside, read, size, unpacked

Image = pytest.importorskip("PIL.Image")


def png(width, height, depth=8, kind=2, chunks=()):
    """The bytes of a PNG with this head and no other content than `chunks`."""
    found = b"\x89PNG\r\n\x1a\n"
    head = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    for name, body in ((b"IHDR", head), *chunks, (b"IEND", b"")):
        found += struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    return found


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_is_read_as_three_channels(mode, tmp_path):
    path = saved(tmp_path, mode, 7, 5)
    found = read(path)
    assert (found.dtype, found.shape) == (np.uint8, (5, 7, 3))
    assert size(path) == (5, 7)


def test_transparent_pixels_lie_on_the_background():
    levels = np.array([[[200, 0, 0, 0], [200, 0, 0, 255], [200, 100, 0, 128]]], dtype=np.uint8)
    for source in (levels, Image.fromarray(levels, "RGBA")):
        found = read(source, background=(0, 0, 255)).astype(int)
        assert found[0, 0].tolist() == [0, 0, 255]  # its hidden red is not seen
        assert found[0, 1].tolist() == [200, 0, 0]
        share = 128 / 255
        assert np.abs(found[0, 2] - [200 * share, 100 * share, 255 * (1 - share)]).max() <= 1


def test_a_colour_that_is_named_transparent_is(tmp_path):
    Image.fromarray(np.array([[0, 50]], dtype=np.uint8), "L").save(tmp_path / "a.png", transparency=50)
    assert read(tmp_path / "a.png", (1, 2, 3)).tolist() == [[[0, 0, 0], [1, 2, 3]]]


def test_sixteen_bits_become_the_upper_eight(tmp_path):
    levels = np.array([[0, 255, 256, 40000, 65535]], dtype=np.uint16)
    Image.fromarray(levels).save(tmp_path / "a.png")
    assert read(tmp_path / "a.png")[0, :, 0].tolist() == [0, 0, 1, 156, 255]  # PIL's own conversion cuts at 255


TURNED = {
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: np.rot90(a, 2).transpose(1, 0, 2),
    8: lambda a: np.rot90(a, -1),
}
"""How a camera that was held so stores an upright picture: EXIF names the sides of its first row and column."""


@pytest.mark.parametrize("orientation", TURNED)
def test_a_photograph_stands_as_its_camera_was_held(orientation, tmp_path):
    upright = np.repeat(np.repeat(colours(6, 4), 8, axis=0), 8, axis=1)
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(TURNED[orientation](upright)))
    stored.save(tmp_path / "a.png", exif=exif)
    stored.save(tmp_path / "a.jpg", exif=exif, quality=100, subsampling=0)
    for name, most in (("a.png", 0), ("a.jpg", 8)):
        found = read(tmp_path / name)
        assert found.shape[:2] == size(tmp_path / name) == (32, 48)
        assert np.abs(found.astype(int) - upright).max() <= most


def test_a_size_is_read_without_decoding(tmp_path):
    (tmp_path / "a.png").write_bytes(png(300, 200, chunks=[(b"IDAT", b"no zlib")]))
    assert size(tmp_path / "a.png") == (200, 300)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "expected a picture (PNG, JPEG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "expected a picture (PNG, JPEG"),
        (png(100_000, 100_000), "pixels, found"),
        (png(9_000, 9_000), "pixels, found 9,000 x 9,000"),
        (png(3, 3), "found a broken one"),
        (png(3, 3, chunks=[(b"IDAT", b"no zlib")]), "found a broken one"),
        (png(3, 3, chunks=[(b"zTXt", b"k\0\0" + zlib.compress(bytes(1 << 26)))]), "found a"),
    ],
)
def test_a_hostile_file_is_one_line(content, told, tmp_path, recwarn):
    (tmp_path / "a.png").write_bytes(content)
    for source in (tmp_path / "a.png", content):
        with pytest.raises(DataError, match=r"^rows.jsonl:3: ") as raised:
            read(source, where="rows.jsonl:3")
        assert told in str(raised.value) and "\n" not in str(raised.value)
    assert not recwarn.list


def test_a_huge_picture_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    Image.new("L", (30, 30)).save(tmp_path / "a.png")
    monkeypatch.setattr(reading, "MOST_PIXELS", 899)
    decoded = []
    monkeypatch.setattr(Image.Image, "load", lambda self: decoded.append(self))
    with pytest.raises(DataError, match="expected at most 899 pixels, found 30 x 30"):
        read(tmp_path / "a.png")
    assert not decoded


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_a_truncated_file_is_no_picture(name, tmp_path):
    picture("RGB", 60, 40).save(tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=rf"{name}: expected a whole picture, found a broken one: .*truncated"):
        read(tmp_path / name)


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png"])
def test_an_animated_file_is_no_picture(name, tmp_path):
    frames = [picture("RGB", 8, 8), picture("RGB", 8, 8).transpose(Image.Transpose.ROTATE_90)]
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], duration=100)
    with pytest.raises(DataError, match="expected one picture, found 2 in one file"):
        read(tmp_path / name)


def test_a_picture_of_floats_is_refused():
    with pytest.raises(DataError, match="floats, which have no range"):
        read(Image.new("F", (3, 3)))


def test_what_is_no_file_is_no_picture(tmp_path):
    for name in (".", "missing.png"):
        with pytest.raises(DataError, match="no such picture"):
            read(tmp_path / name)


@pytest.mark.parametrize("wrong", [np.zeros((3, 3)), np.zeros((3, 3, 2), np.uint8), np.zeros((0, 3, 3), np.uint8)])
def test_an_array_of_another_form_is_refused(wrong):
    with pytest.raises(DataError, match=r"expected uint8 \[H, W\] or \[H, W, C\]"):
        read(wrong)


def test_a_path_stays_in_the_folder_of_its_rows(tmp_path):
    home = tmp_path / "home"
    (home / "sub").mkdir(parents=True)
    for path in (home / "a.png", home / "sub" / "b.png", tmp_path / "secret.png"):
        path.write_bytes(b"x")
    assert beside(home, "a.png") == home / "a.png"
    assert beside(home, "sub/../a.png").samefile(home / "a.png")
    os.symlink(tmp_path / "secret.png", home / "link.png")
    os.symlink("a.png", home / "fine.png")
    os.symlink("loop.png", home / "loop.png")
    assert beside(home, "fine.png")
    for name in ("../secret.png", str(tmp_path / "secret.png"), str(home / "a.png"), "link.png", "C:\\a.png"):
        with pytest.raises(ValueError, match=r"relative to|leads out of it"):
            beside(home, name)
    for name in ("http://example.org/a.png", "file:///etc/passwd", "data:image/png;base64,AAAA"):
        with pytest.raises(ValueError, match="none is fetched"):
            beside(home, name)
    for name in ("missing.png", "sub", "loop.png", "a\0.png"):
        with pytest.raises(ValueError, match=r"found none at|expected a path"):
            beside(home, name)


def test_a_data_address_is_unpacked():
    body = io.BytesIO()
    picture("RGB", 4, 4).save(body, "PNG")
    address = "data:image/png;base64," + base64.b64encode(body.getvalue()).decode()
    assert read(unpacked(address)).shape == (4, 4, 3)
    for wrong in ("https://example.org/a.png", "data:image/png,abc", "data:image/png;base64,%%%"):
        with pytest.raises(ValueError, match=r"no address is fetched|expected base64"):
            unpacked(wrong)


def test_without_pillow_one_line_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.delitem(sys.modules, "PIL.Image")
    with pytest.raises(DataError, match=r"reading pictures \(extra image\) needs pillow: pip install pillow"):
        read(tmp_path / "a.png")
    assert read(np.zeros((2, 2, 3), np.uint8)).shape == (2, 2, 3)  # an array needs none
