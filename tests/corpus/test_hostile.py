"""Hostile documents: whatever stands in a file, each row becomes a document or is counted under a reason, and no step
on the way to ids falls over it or takes more memory than a document may."""

import gzip
import json
import random
import resource
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from plain import duplicates
from trivium.base.errors import DataError
from trivium.corpus.clean import sentences
from trivium.corpus.clean.clean import clean
from trivium.corpus.clean.filter import Filter, Light
from trivium.corpus.clean.language import guess, identify
from trivium.corpus.clean.web import Web
from trivium.corpus.duplicates.signature import Near
from trivium.corpus.read.reading import Reading
from trivium.corpus.read.sources import read
from trivium.corpus.read.unpack import zstd
from trivium.token.tokenizer import Tokenizer

LONGEST = 4096
READING = Reading(broken="drop", longest_bytes=LONGEST)
LEFT_OUT = (
    f"not read: line over {LONGEST} bytes",
    f"not read: row over {LONGEST} bytes",
    "not read: row that is no JSON object",
    "not read: row without text",
    "not read: invalid UTF-8",
)
PIECES = [
    "the quick brown fox. ",
    "</s>",
    "<|user|>",
    "\ud800",
    "\udfff\ud800",
    "\0",
    "\ufeff",
    "\ufffe",
    "\u202e",
    "\x85",
    "\x1c",
    "\u2028",
    "e\u0301\u0301\u0301",
    "Ã¶â€œ",
    "schÃ¶n",
    "中文。",
    "ไทย",
    "🏳\u200d🌈",
    "{",
    "}",
    "[",
    '"',
    "\\",
    "\r",
    "\\ud83d",
    "\n",
    "\n" * 50,
    " " * 300,
    "a" * 900,
    "!?" * 99,
    "lorem ipsum",
    "http://x.y/" + "z" * 200,
    "<p>" * 60,
    "&#0;",
    "\t,\t",
    "''",
    "*** START OF THE PROJECT GUTENBERG EBOOK X ***\n",
    "---\na: b\n---\n",
    "same line\n" * 30,
    "\x1b[31m",
    "\u0300" * 200,
]


def text(draw: random.Random) -> str:
    """A text of pieces that are hard on somebody, or of any code points at all."""
    if draw.random() < 0.2:
        return "".join(chr(draw.randrange(0x110000)) for _ in range(draw.randrange(60)))
    return "".join(draw.choices(PIECES, k=draw.randrange(8)))


def line(draw: random.Random) -> bytes:
    """A line of a .jsonl file, right or wrong in one of many ways, and never blank."""
    match draw.randrange(10):
        case 0:
            return b"x" + draw.randbytes(draw.randrange(99)).replace(b"\n", b"\xff")
        case 1:
            return b'{"text": ' + draw.choice([b"[", b'{"a":']) * draw.randrange(1, 2000)
        case 2:
            return json.dumps({"text": draw.choice([None, 1, 1e400, ["a"], {}, True])}).encode()
        case 3:
            return json.dumps({draw.choice(["body", "", "Text"]): "x"}).encode()
        case 4:
            return b'{"text": "' + b"\\u0041" * draw.randrange(1200) + b'"}'
        case 5:
            return json.dumps({"text": text(draw)}).encode()[: draw.randrange(1, 60)]
        case 6:
            return json.dumps({"text": text(draw)}, ensure_ascii=False).encode("utf-8", "surrogatepass")
        case _:
            return json.dumps({"text": text(draw), "content": 3}).encode()


def through(found: Iterator[tuple[str, str]], filters: list[Filter], tokenizer: Tokenizer) -> Counter[str]:
    """Take documents all the way; what becomes of each is counted."""
    ends: Counter[str] = Counter()
    kept: list[tuple[tuple[str, str], str]] = []
    for number, (source, raw) in enumerate(found):
        ends["in"] += 1
        judge, trimmed = filters[number % len(filters)], Counter[str]()
        done = judge.trim(clean(raw), trimmed)
        if judge.reason(done):
            ends["dropped"] += 1
            continue
        assert identify(done)
        spans = sentences.spans(done, guess(done))
        assert "".join(done[a:b] for a, b in spans) == done
        assert tokenizer.decode(tokenizer.encode(done)) == done
        kept.append(((source, str(number)), done))
    again = duplicates(kept, Near())
    ends["duplicate"], ends["out"] = len(again), len(kept) - len(again)
    return ends


def flood(folder: Path, count: int, seed: int) -> None:
    """Write `count` hostile documents as files of several kinds, check that all are accounted for, and take them on."""
    draw, tokenizer = random.Random(seed), Tokenizer.bytes()
    pack = {"": bytes, ".gz": gzip.compress, ".zst": zstd.compress}
    for number, at in enumerate(range(0, count, 100)):
        lines = [line(draw) for _ in range(100)]
        suffix = draw.choice(list(pack))
        file = folder / f"{number}.jsonl{suffix}"
        end = draw.choice([b"\n", b"\r\n"])
        file.write_bytes(pack[suffix](end.join(lines) + end * draw.randrange(2)))
        counts: Counter[str] = Counter()
        reading = READING.replace(invalid=draw.choice(["replace", "drop"]), html_rows=number % 3 == 0)
        documents = list(read([file], reading, counts))
        assert len(documents) + sum(counts[reason] for reason in LEFT_OUT) == 100, f"seed {seed}, from {at}: {counts}"
        assert len({document.id for document in documents}) == len(documents)
        ends = through(((d.source, d.text) for d in documents), [Light(), Web(), Web(c4=None)], tokenizer)
        assert ends["in"] == len(documents) == ends["dropped"] + ends["duplicate"] + ends["out"]
        odd = folder / f"{number}.{draw.choice(['txt', 'md', 'html', 'csv', 'tsv', 'parquet', 'jsonl.xz'])}"
        odd.write_bytes(draw.choice([b"", b"text\n", b"\xff\xfe", b"PAR1"]) + b"\n".join(lines[:5]) + draw.randbytes(9))
        try:
            through(((d.source, d.text) for d in read([odd], READING)), [Light()], tokenizer)
        except DataError as refused:
            assert str(odd) in str(refused) and "\n" not in str(refused)


def test_five_hundred_hostile_documents(tmp_path: Path) -> None:
    flood(tmp_path, 500, seed=1)


@pytest.mark.slow
def test_twenty_thousand_hostile_documents(tmp_path: Path) -> None:
    (tmp_path / "warm").mkdir()
    flood(tmp_path / "warm", 500, seed=2)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    flood(tmp_path, 20_000, seed=random.SystemRandom().randrange(1 << 30))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 << 10


@pytest.mark.parametrize("name", ["a.jsonl", "a.txt", "a.csv", "a.jsonl.gz"])
def test_a_line_of_64_megabytes_needs_the_memory_of_a_document(tmp_path: Path, name: str) -> None:
    block = b"ab c" * (1 << 18)
    with (gzip.open if name.endswith("gz") else open)(tmp_path / name, "wb") as handle:
        handle.write(b'{"text": "small"}\n{"text": "')
        for _ in range(64):
            handle.write(block)
        handle.write(b'"}\n{"text": "small"}\n')
    counts: Counter[str] = Counter()
    reading = Reading(
        longest_bytes=1 << 20, unpack_ratio=5000, text_key='{"text": "small"}' if ".csv" in name else None
    )
    tracemalloc.start()
    try:
        found = [(document.id, len(document.text)) for document in read([tmp_path / name], reading, counts)]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 << 20
    if name == "a.txt":
        assert len(found) == 66 and max(size for _, size in found) <= 1 << 20
        assert sum(size for _, size in found) == (tmp_path / name).stat().st_size
    else:
        small = [("1", 17)] if name == "a.csv" else [("1", 5), ("3", 5)]
        assert found == small and counts == {f"not read: line over {1 << 20} bytes": 1}
