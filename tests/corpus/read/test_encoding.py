"""Encodings: what is marked, declared or recognised is read as what it is, in blocks of any size."""

import codecs
import io
import random
from collections import Counter
from pathlib import Path

import pytest

from texts import texts, write
from trivium.base.config import parse
from trivium.base.errors import ConfigError, DataError
from trivium.corpus.read.encoding import Recoded, known, of_page, recognise
from trivium.corpus.read.reading import Reading

ENGLISH = "It is a truth universally acknowledged, that a single man in want of a wife.\n"
CHINESE = "道可道，非常道；名可名，非常名。无名天地之始，有名万物之母。\n"
FRENCH = "Le naïf élève à côté s’est levé ; « déjà », dit-il, l’été où l’œuvre a été créée.\n"


@pytest.mark.parametrize("name", ["utf-16", "utf-32", "utf-8-sig"])
@pytest.mark.parametrize("text", [ENGLISH, CHINESE])
def test_a_byte_order_mark_is_believed(tmp_path: Path, name: str, text: str) -> None:
    counts: Counter[str] = Counter()
    assert texts(write(tmp_path / "a.txt", text.encode(name)), counts) == [text]
    assert texts(write(tmp_path / "a.csv", f'text\n"{text}"\n'.encode(name)), encoding="latin-1") == [text]
    big = codecs.BOM_UTF16_BE + text.encode("utf-16-be")
    assert texts(write(tmp_path / "b.txt", big)) == [text]
    assert counts == ({} if name == "utf-8-sig" else {f"file read as {name}": 1})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("gb18030", CHINESE),
        ("latin-1", "é à\n"),
        ("utf-16-le", CHINESE),
        ("cp1251", "Привет, мир\n"),
        ("shift_jis", "日本語のテキスト\n"),
    ],
)
def test_a_declared_encoding_is_read_by_every_reader(tmp_path: Path, name: str, text: str) -> None:
    rows = "".join(f'{{"text": "{text.strip()} {n}"}}\n' for n in range(3))
    counts: Counter[str] = Counter()
    assert texts(write(tmp_path / "a.txt", text.encode(name)), counts, encoding=name) == [text]
    assert texts(write(tmp_path / "a.jsonl", rows.encode(name)), counts, encoding=name)[2] == f"{text.strip()} 2"
    assert counts == {f"file read as {name}": 2}


def test_an_unknown_encoding_is_a_mistake_in_the_options() -> None:
    with pytest.raises(ConfigError, match=r"expected one that Python knows .*, found 'klingon'"):
        parse(Reading, {"encoding": "klingon"}, "reading")
    assert not known("base64") and not known("no\0name") and known("GBK")


@pytest.mark.parametrize(
    ("text", "name"), [(CHINESE * 3, "gb18030"), (FRENCH * 3, "cp1252"), (ENGLISH, "utf-16-le"), (ENGLISH, "utf-16-be")]
)
def test_a_whole_text_is_recognised(tmp_path: Path, text: str, name: str) -> None:
    counts: Counter[str] = Counter()
    assert texts(write(tmp_path / "a.txt", text.encode(name)), counts) == [text]
    assert counts == {f"text recognised as {name}": 1}
    counts.clear()
    texts(tmp_path / "a.txt", counts, encoding="utf-8")
    assert counts and not any("recognised" in reason for reason in counts), "what is declared is not guessed at"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff",
        ENGLISH.encode(),
        b"\xff\xfe more",
        "Привет, мир ".encode("cp1251") * 9,
        "안녕하세요 세계는 넓고 할 일은 많다 ".encode("euc-kr") * 9,
        CHINESE.encode()[:-8] + b"\xff\n",
        (FRENCH * 3).encode()[:-2] + b"\xc3",
        bytes(range(256)) * 4,
        random.Random(1).randbytes(3000),
    ],
)
def test_what_could_be_anything_is_not_guessed_at(raw: bytes) -> None:
    assert recognise(raw) is None


def test_a_page_says_what_it_is_in() -> None:
    assert of_page(b'<html><meta charset="gb2312">') == "gb18030"
    assert of_page(b'<meta http-equiv="Content-Type" content="text/html; charset=ISO-8859-1">') == "cp1252"
    assert of_page(b'<?xml version="1.0" encoding="Shift_JIS"?>') == "shift_jis"
    assert of_page(b'<meta charset="klingon">') is None and of_page(b"<p>charset=gbk") is None


@pytest.mark.parametrize("name", ["utf-16", "gb18030", "latin-1"])
def test_blocks_of_any_size_give_the_same_text(name: str) -> None:
    text = (ENGLISH + (CHINESE if name != "latin-1" else "é\n")) * 40

    class Drip(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(3)

    stream = io.BufferedReader(Recoded(Drip(text.encode(name)), name, Path("a"), True, Counter()))
    assert stream.read().decode().removeprefix("\ufeff") == text


def test_what_cannot_be_decoded_follows_the_policy(tmp_path: Path) -> None:
    bad = write(tmp_path / "a.txt", CHINESE.encode("gb18030") + b"\xff\xff\n" + CHINESE.encode("gb18030"))
    counts: Counter[str] = Counter()
    (text,) = texts(bad, counts, encoding="gb18030")
    assert text.startswith(CHINESE) and text.endswith(CHINESE) and "\ufffd" in text
    assert counts["invalid UTF-8, replaced"] == 1
    assert texts(bad, encoding="gb18030", invalid="drop") == []
    at = len(CHINESE.encode("gb18030"))
    with pytest.raises(DataError, match=rf"a\.txt: byte {at}: expected gb18030, found 0xff"):
        texts(bad, encoding="gb18030", invalid="strict")
    late = write(tmp_path / "b.txt", ("中" * 70_000).encode("gb18030") + b"\xff")
    with pytest.raises(DataError, match=r"b\.txt: byte 140000: "):
        texts(late, encoding="gb18030", invalid="strict")
    half = write(tmp_path / "c.txt", b"\xff\xfea\0\0\xd8b\0")
    assert texts(half) == ["a\ufffdb"]


@pytest.mark.parametrize("name", ["utf-16", "utf-32"])
def test_an_encoding_that_needs_a_mark_says_so(tmp_path: Path, name: str) -> None:
    write(tmp_path / "a.txt", ENGLISH.encode())
    with pytest.raises(DataError, match=rf"a\.txt: {name}: .*name the order of its bytes, such as utf-16-le"):
        texts(tmp_path / "a.txt", encoding=name)
