"""Whatever a large file is, its parts together are its documents as one reader finds them, and each byte is read
once."""

import csv
import gzip
import io
import json
from collections import Counter
from itertools import chain

import pytest

from texts import write
from trivium.base.config import dump
from trivium.corpus.plan import Plan, assign, units
from trivium.corpus.preparation import Preparation
from trivium.corpus.prepare import prepare
from trivium.corpus.read import unpack
from trivium.corpus.read.reading import Reading
from trivium.corpus.read.sources import read
from trivium.corpus.read.text import TextFile
from trivium.corpus.stage.split import borders, index_file, part, split_file, split_result
from trivium.corpus.work import Work
from trivium.data.shards import Corpus

TEXTS = [f"Row {number} tells of a café.\n" + "And of more. " * (number * 7 % 40) for number in range(60)]
READING = Reading(longest_bytes=2000, broken="drop")


def rows(texts, encoding="utf-8"):
    return "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts).encode(encoding)


def table(texts):
    out = io.StringIO()
    csv.writer(out).writerows([["text"], *([text] for text in texts)])
    return out.getvalue().encode()


FILES = {
    "rows.jsonl": rows(TEXTS)[:-1],
    "marked.jsonl": b"\xef\xbb\xbf" + rows(TEXTS),
    "blank.jsonl": rows(TEXTS).replace(b"\n", b"\r\n\n", 9)
    + b'{"text": "'
    + b"x" * 5000
    + b'"}\n[1]\n'
    + rows(TEXTS[:5]),
    "latin.jsonl": rows(TEXTS, "cp1252"),
    "damaged.jsonl": rows(TEXTS) + b'{"text": "caf\xc3"}\n' + rows(TEXTS) + b'{"text": "x"}\xe4',
    "wide.jsonl": rows(TEXTS, "utf-16"),
    "packed.jsonl.gz": gzip.compress(rows(TEXTS)),
    "quoted.csv": table(TEXTS),
    "long.txt": "\n".join(TEXTS).encode(),
    "no-line-end.md": ("ein café " * 900).encode(),
    "wide.txt": "\n".join(TEXTS).encode("utf-16"),
    "packed.txt.zst": unpack.zstd.compress("\r\n".join(TEXTS).encode()),
    "short.txt": b"One document.\nNo more.",
}
DEALT = {"latin.jsonl", "damaged.jsonl", "wide.jsonl", "packed.jsonl.gz", "quoted.csv", "wide.txt", "packed.txt.zst"}


def begin(folder, file, parts, reading=READING):
    preparation = Preparation(reading=reading, tokenizer="bytes")
    work = Work(folder / "data")
    shards = assign(units([file], reading), parts)
    work.begin(Plan([], preparation, shards, {"preparation": dump(preparation)}, "code", []))
    return work


@pytest.mark.parametrize("parts", [2, 7])
@pytest.mark.parametrize("name", FILES)
def test_the_parts_are_what_one_reader_finds(tmp_path, name, parts):
    file, counts, told = write(tmp_path / name, FILES[name]), Counter(), Counter()
    whole = [(document.source, document.id, document.text) for document in read([file], READING, counts)]
    work = begin(tmp_path, file, parts)
    assert len(work.plan.divided) == 1
    split_file(work, 0)
    found = []
    for unit in sorted(chain(*work.plan.shards), key=lambda unit: unit.part):
        found.append([(one.source, one.id, one.text) for one in part(work, unit, told)])
    assert [one for some in found for one in some] == whole and told == counts
    assert index_file(work, work.plan.divided[0], ".zst").is_file() == (name in DEALT)
    if len(whole) > 20 and name != "blank.jsonl":
        assert max(map(len, found)) <= 3 * len(whole) / parts + 3 and sum(map(bool, found)) >= parts / 2


def test_each_byte_of_a_plain_file_belongs_to_one_part(tmp_path):
    for name in FILES.keys() - DEALT:
        file = write(tmp_path / name, FILES[name])
        for parts in (1, 2, 3, 50, 400):
            found = borders(TextFile(file, READING), parts)
            assert len(found) == parts + 1 and found == sorted(found)
            assert found[0] == (0, 0) and found[-1][0] == len(FILES[name])
            for at, lines in found[1:] if name.endswith(".jsonl") else ():
                before = FILES[name][:at]
                assert lines == before.count(b"\n") and (before.endswith(b"\n") or before == FILES[name])


def test_a_packed_file_is_unpacked_once(tmp_path, monkeypatch):
    file, opened = write(tmp_path / "rows.jsonl.gz", FILES["packed.jsonl.gz"]), []
    inner = unpack.opening
    monkeypatch.setattr(unpack, "opening", lambda path, *limits: opened.append(path) or inner(path, *limits))
    prepare([file], tmp_path / "data", Preparation(tokenizer="bytes", shards=5))
    assert opened.count(file) == 2  # once to see that it cannot be split, and then to deal it out


@pytest.mark.parametrize("name", ["rows.jsonl", "packed.jsonl.gz", "long.txt"])
def test_the_number_of_shards_changes_no_decision(tmp_path, name):
    file = write(tmp_path / name, FILES[name] + (b"\n" + rows(TEXTS[:9]) if name == "rows.jsonl" else b""))
    held = []
    for shards in (1, 3):
        options = Preparation(reading=READING, tokenizer="bytes", shards=shards, valid_share=0.3)
        folder = tmp_path / f"data{shards}"
        prepare([file], folder, options)
        splits = {split: Corpus(folder, split) for split in ("train", "valid")}
        held.append({(s, c.address(at), c.read(at).tobytes()) for s, c in splits.items() for at in range(len(c))})
    assert held[0] == held[1] and len(held[0]) >= 9


def test_what_was_read_needs_no_index_again(tmp_path):
    file = write(tmp_path / "rows.jsonl.gz", FILES["packed.jsonl.gz"])
    prepare([file], tmp_path / "data", Preparation(tokenizer="bytes", shards=2))
    work = Work(tmp_path / "data")
    assert not list(work.folder.glob("split-*")) and split_result(work, 0).is_file()
    work.read_file(1).unlink()
    assert not split_result(work, 0).is_file()
