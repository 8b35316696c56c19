import gzip
import json
import lzma
import os
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from texts import texts, write
from trivium.base.errors import DataError
from trivium.corpus.read.reading import Reading
from trivium.corpus.read.sources import files, read
from trivium.corpus.read.unpack import zstd

PACK: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.compress, ".zst": zstd.compress, ".xz": lzma.compress}


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
    assert counts == {"not read: .png file": 1}


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
        (
            "a.csv",
            "n,body\nx,yz\n",
            r"found 'n', 'body'; name .* \(--text-key text,content,body\), or .* \(--skip-bad\)",
        ),
        ("a.parquet", "no", "a.parquet: cannot be read as parquet"),
        ("a.bin", "x", r"a\.bin: unknown type of file: expected \.txt"),
        ("a.parquet.gz", "x", "unknown type of file"),
    ],
)
def test_what_cannot_be_used_is_one_clear_line(tmp_path, name, content, message):
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    path = write(tmp_path / name, content)
    with pytest.raises(DataError, match=message) as error:
        list(read([path]))
    assert "\n" not in str(error.value) and str(path) in str(error.value)


def test_a_table_without_text_costs_only_itself(tmp_path):
    write(tmp_path / "a.txt", "a text")
    write(tmp_path / "b.csv", "name,place\nPeru,Americas\nChad,Africa\n")
    write(tmp_path / "c.jsonl", '{"text": "a row"}\n')
    with pytest.raises(DataError, match=r"b\.csv:1: .*--text-key text,content,place.*--skip-bad"):
        texts(tmp_path)
    assert texts(tmp_path, text_key="text,content,place") == ["a text", "Americas", "Africa", "a row"]
    counts: Counter[str] = Counter()
    assert [one.text for one in read([tmp_path], Reading(broken="drop"), counts)] == ["a text", "a row"]
    assert counts == {"not read: row without text": 2}


def test_other_kinds_are_read_where_asked(tmp_path):
    for name in ("a.txt", "b.py", "c.json", "d.csv"):
        write(tmp_path / name, f"[{name}]")
    passed: list[Path] = []
    assert [path.name for path, _ in files([tmp_path], Reading(as_text=("py",)), passed)] == ["a.txt", "b.py", "d.csv"]
    assert passed == [tmp_path / "c.json"]
    assert texts(tmp_path, as_text="py,json,csv") == ["[a.txt]", "[b.py]", "[c.json]", "[d.csv]"]
    assert texts(tmp_path / "c.json", as_text=["json"]) == ["[c.json]"]
    with pytest.raises(DataError, match=r"c\.json: unknown type of file: .*--as-text json"):
        texts(tmp_path / "c.json")


def test_empty_folders_and_missing_paths_are_errors(tmp_path):
    with pytest.raises(DataError, match=r"expected files of text .*, found an empty folder"):
        list(read([tmp_path]))
    write(tmp_path / "x.png", "x")
    with pytest.raises(DataError, match=r"found none among 1 files; --as-text png for files of text \(png 1\)"):
        list(read([tmp_path]))
    with pytest.raises(DataError, match="nowhere: no such file or folder"):
        list(read([tmp_path / "nowhere"]))
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "train-00000.tok").touch()
    with pytest.raises(DataError, match=r"made: is a data folder already; expected files or folders of text$"):
        files([tmp_path / "made"])


def test_parquet_without_pyarrow_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DataError, match=r": pip install pyarrow$"):
        list(read([write(tmp_path / "a.parquet", "")]))


def test_devices_pipes_and_links_to_nothing_are_told_and_never_opened(tmp_path):
    write(tmp_path / "a.txt", "a text")
    (tmp_path / "b.txt").symlink_to("/dev/zero")
    (tmp_path / "c.txt").symlink_to("nowhere")
    os.mkfifo(tmp_path / "d.txt")
    counts: Counter[str] = Counter()
    assert [document.text for document in read([tmp_path], counts=counts)] == ["a text"]
    assert counts == {"not read: no file: a device, a pipe, or a link to nothing": 3}
    for name in ("b.txt", "d.txt"):
        with pytest.raises(DataError, match=f"{name}: expected a file or a folder, found a device or a pipe"):
            list(read([tmp_path / name]))
