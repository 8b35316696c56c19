import gzip
import json
import lzma
import os
import sys
from collections import Counter
from collections.abc import Callable

import pytest
import zstandard

from trivium.base.errors import DataError
from trivium.corpus.read.sources import Reading, files, read, records

PACK: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.compress, ".zst": zstandard.compress, ".xz": lzma.compress}


def texts(path, **reading):
    return [document.text for document in read([path], Reading(**reading))]


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_a_folder_is_read_in_the_order_of_its_names(tmp_path):
    for name in ("b.txt", "a/z.md", "a/b.jsonl", "c.csv", "d.tsv", ".hidden/x.txt", ".y.txt", "picture.png"):
        write(tmp_path / name, '{"text": "row"}\n' if name.endswith("jsonl") else "text\trest\nv\tw\n")
    write(tmp_path / "c.csv", 'id,content\n1,"one, two\nlines"\n')
    counts: Counter[str] = Counter()
    found = [(document.source, document.id, document.text) for document in read([tmp_path], counts=counts)]
    assert found == [
        (str(tmp_path / "a/b.jsonl"), "1", "row"),
        (str(tmp_path / "a/z.md"), "1", "text\trest\nv\tw\n"),
        (str(tmp_path / "b.txt"), "1", "text\trest\nv\tw\n"),
        (str(tmp_path / "c.csv"), "1", "one, two\nlines"),
        (str(tmp_path / "d.tsv"), "1", "v"),
    ]
    assert counts == {"file of another type, not read": 1}


def test_files_are_listed_once_with_their_sizes(tmp_path):
    file = write(tmp_path / "a.txt", "four")
    assert files([tmp_path, file, "embedded"]) == [(file, 4)]
    assert len(list(read([file, tmp_path]))) == 1


@pytest.mark.parametrize("suffix", [".gz", ".zst", ".xz"])
def test_compressed_files_are_read_and_damage_is_noticed(tmp_path, suffix):
    pack = PACK[suffix]
    plain = "".join(json.dumps({"content": f"row {i} {i * i}"}) + "\n" for i in range(3000)).encode()
    packed = pack(plain)
    assert texts(write(tmp_path / f"a.jsonl{suffix}", packed + packed))[3000:3002] == ["row 0 0", "row 1 1"]
    for damaged in (packed[:-20], packed[: len(packed) // 2], b"none of it"):
        with pytest.raises(DataError, match=rf"b\.jsonl\{suffix}: damaged, or no \{suffix} file"):
            texts(write(tmp_path / f"b.jsonl{suffix}", damaged))


@pytest.mark.parametrize("suffix", [".gz", ".zst", ".xz"])
def test_a_bomb_is_stopped(tmp_path, suffix):
    pack = PACK[suffix]
    bomb = write(tmp_path / f"bomb.txt{suffix}", pack(b"a" * (8 << 20)))
    with pytest.raises(DataError, match=r"bomb.*unpacks to over \d+ bytes from \d+: expected at most 200 for 1"):
        texts(bomb)
    assert len(texts(bomb, unpack_ratio=100_000)[0]) == 8 << 20
    with pytest.raises(DataError, match="and 100 in all"):
        texts(write(tmp_path / f"big.txt{suffix}", pack(os.urandom(400))), unpack_bytes=100)


def test_line_ends_bom_nul_and_surrogates_are_mended_and_counted(tmp_path):
    counts: Counter[str] = Counter()
    write(tmp_path / "a.txt", b"\xef\xbb\xbfone\r\ntwo\rthree\0 no newline at the end")
    write(tmp_path / "b.jsonl", b'\xef\xbb\xbf{"text": "a\\ud800\\u0000b"}')
    write(tmp_path / "c.csv", b"\xef\xbb\xbftext\r\nx\0y\r\n")
    assert [document.text for document in read([tmp_path], counts=counts)] == [
        "one\ntwo\nthree no newline at the end",
        "a\ufffdb",
        "xy",
    ]
    assert counts == {"NUL removed": 2, "lone surrogate replaced": 1}


@pytest.mark.parametrize("content", [b"", b" \n\t", b"x"])
def test_tiny_and_blank_files_are_documents(tmp_path, content):
    assert texts(write(tmp_path / "a.txt", content)) == [content.decode()]


def test_invalid_utf8_follows_the_policy(tmp_path):
    text = write(tmp_path / "a.txt", b"ok\n\xff\xfe more")
    rows = write(tmp_path / "b.jsonl", b'{"text": "fine"}\n{"text": "\xe9t\xe9"}\n')
    counts: Counter[str] = Counter()
    assert [document.text for document in read([text, rows], counts=counts)] == [
        "ok\n\ufffd\ufffd more",
        "fine",
        "\ufffdt\ufffd",
    ]
    assert counts == {"invalid UTF-8, replace": 2}
    counts.clear()
    assert [document.text for document in read([text, rows], Reading(invalid="drop"), counts)] == ["fine"]
    assert counts == {"invalid UTF-8, drop": 2}
    with pytest.raises(DataError, match=r"a\.txt: byte 3: expected UTF-8, found 0xff"):
        texts(text, invalid="strict")
    with pytest.raises(DataError, match=r"b\.jsonl: byte 27: expected UTF-8, found 0xe9"):
        texts(rows, invalid="strict")
    with pytest.raises(DataError, match=r"c\.txt: byte 4: "):
        texts(write(tmp_path / "c.txt", b"\xef\xbb\xbfa\xff"), invalid="strict")


def test_strict_offsets_count_from_the_beginning_of_a_long_file(tmp_path):
    long = write(tmp_path / "a.txt", b"line\n" * 100 + b"\xff")
    with pytest.raises(DataError, match="byte 500:"):
        texts(long, invalid="strict", longest_bytes=64)


def test_long_text_is_cut_at_line_ends_and_long_rows_are_left_out(tmp_path):
    counts: Counter[str] = Counter()
    content = "".join(f"line {i}\n" for i in range(100)) + "é" * 200 + "\nend"
    long = write(tmp_path / "a.txt", content)
    parts = list(read([long], Reading(longest_bytes=101), counts))
    assert "".join(part.text for part in parts) == content and len(parts) > 10
    assert [part.id for part in parts] == [str(i + 1) for i in range(len(parts))]
    assert all(len(part.text.encode()) <= 101 for part in parts) and all(part.text[-1] == "\n" for part in parts[:5])
    assert counts["text file cut: longer than one document may be"] == len(parts) - 1
    assert "invalid UTF-8, replace" not in counts
    counts.clear()
    rows = write(tmp_path / "b.jsonl", '{"text": "a"}\n{"text": "' + "b" * 200 + '"}\n{"text": "c"}')
    found = list(read([rows], Reading(longest_bytes=101), counts))
    assert [(row.id, row.text) for row in found] == [("1", "a"), ("3", "c")]
    assert counts == {"line over 101 bytes": 1}


def test_a_file_exactly_as_long_as_the_limit_is_one_document(tmp_path):
    assert texts(write(tmp_path / "a.txt", "abcd\nabcd\n"), longest_bytes=10) == ["abcd\nabcd\n"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", '{"text": "x"}\n\n{"body": 1, "n": 2}', r"a\.jsonl:3: expected the key .*, found .body., .n."),
        ("a.jsonl", "{}", "found none"),
        ("a.jsonl", '{"text": null}', r'a\.jsonl:1: "text": expected a string, found None'),
        ("a.jsonl", "[1]", "expected a JSON object, found list"),
        ("a.jsonl", '{"text": "x"', r"a\.jsonl:1: not JSON: .* at column \d+"),
        ("a.jsonl", '{"text": ' + "[" * 100_000, r"a\.jsonl:1: not JSON that can be read: nested too deeply"),
        ("a.jsonl", '{"text": ' + "9" * 5000 + "}", r"a\.jsonl:1: not JSON that can be read"),
        ("a.csv", "", "found an empty file"),
        ("a.csv", "text,b\n1\n", r"a\.csv:1: expected 2 columns, found 1"),
        ("a.csv", 'text\n"open', r"a\.csv: line 2: not CSV"),
        ("a.csv", "body\nx\n", 'expected the key "text"'),
        ("a.parquet", "no", "a.parquet: not a parquet file"),
        ("a.bin", "x", r"a\.bin: cannot tell what is in it: expected \.txt"),
        ("a.parquet.gz", "x", "cannot tell"),
    ],
)
def test_what_cannot_be_used_is_one_clear_line(tmp_path, name, content, message):
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    path = write(tmp_path / name, content)
    with pytest.raises(DataError, match=message) as error:
        list(read([path]))
    assert "\n" not in str(error.value) and str(path) in str(error.value)


def test_empty_folders_and_missing_paths_are_errors(tmp_path):
    with pytest.raises(DataError, match=r"expected files of text .*, found an empty folder"):
        list(read([tmp_path]))
    write(tmp_path / "x.png", "x")
    with pytest.raises(DataError, match="found 1 files, none of them readable"):
        list(read([tmp_path]))
    with pytest.raises(DataError, match="nowhere: no such file or folder"):
        list(read([tmp_path / "nowhere"]))


def test_a_key_may_be_chosen(tmp_path):
    rows = write(tmp_path / "a.jsonl", '{"text": "no", "body": "yes"}')
    assert texts(rows, text_key="body") == ["yes"]
    with pytest.raises(DataError, match='expected the key "corpse", found'):
        texts(rows, text_key="corpse")


def test_parquet_is_read_in_batches(tmp_path):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    rows = [f"row {i}" for i in range(600)]
    parquet.write_table(pyarrow.table({"text": rows, "n": range(600)}), tmp_path / "a.parquet")
    assert texts(tmp_path / "a.parquet") == rows
    assert list(records(tmp_path / "a.parquet"))[599] == (
        f"{tmp_path / 'a.parquet'}:600",
        {"text": "row 599", "n": 599},
    )


def test_parquet_without_pyarrow_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DataError, match=r"pip install 'trivium\[data\]'"):
        list(read([write(tmp_path / "a.parquet", "")]))


def test_rows_are_only_read_from_files_of_rows(tmp_path):
    with pytest.raises(DataError, match=r"a\.txt: expected a file of rows: \.jsonl"):
        list(records(write(tmp_path / "a.txt", "x")))
