"""One shard: what is kept and the table beside it say the same, and every document is accounted for."""

import json

import pytest
import xxhash

from trivium.base.config import dump
from trivium.base.errors import DataError
from trivium.corpus.arrays import Arrays
from trivium.corpus.clean.language import identify
from trivium.corpus.code import code
from trivium.corpus.duplicates.shingle import normal
from trivium.corpus.plan import Plan, assign, units
from trivium.corpus.preparation import Preparation
from trivium.corpus.read.unpack import zstd
from trivium.corpus.stage.read import STEPS, read_shard
from trivium.corpus.table import address, documents, packed
from trivium.corpus.work import Work

EN = {"language": "en"}


def begin(folder, sources, shards=1, **options):
    preparation = Preparation(tokenizer="bytes", **options)
    work, counts = Work(folder / "data"), {}
    inputs = {"preparation": dump(preparation)}
    work.begin(Plan([], preparation, assign(units(sources), shards), inputs, code(), counts, str(folder / "dropped")))
    return work


def test_rows_and_table_tell_of_the_same_documents(tmp_path):
    (tmp_path / "a.jsonl").write_text(
        "".join(json.dumps({"text": t}) + "\n" for t in ("A first text, é.", "", "x" * 40))
    )
    (tmp_path / "b.txt").write_text("Another text stands in a file of its own.")
    work = begin(tmp_path, [tmp_path / "a.jsonl", tmp_path / "b.txt"], filter={"kind": "light", "min_chars": 10})
    read_shard(work, 0)
    found = list(documents(work, 0))
    assert [(d.source, d.id, d.text[:7]) for d in found] == [
        (str(tmp_path / "a.jsonl"), "1", "A first"),
        (str(tmp_path / "a.jsonl"), "3", "xxxxxxx"),
        (str(tmp_path / "b.txt"), "1", "Another"),
    ]
    table = Arrays(work.read_file(0))
    assert table["bytes"].tolist() == [len(d.text.encode()) for d in found] and table["id"].tolist() == [
        b"1",
        b"3",
        b"1",
    ]
    assert [d.meta["language"] for d in found] == [identify(d.text) for d in found]
    digests = [xxhash.xxh3_128_digest(normal(d.text).encode()) for d in found]
    assert table["digest"].tobytes() == b"".join(digests)
    assert table["address"].tolist() == [address(d) for d in found]
    facts = table.facts()
    assert facts["dropped"] == {"empty": 1} and facts["flow"]["read"] == [4, 98] and facts["flow"]["filter"][0] == 3
    assert set(facts["seconds"]) <= set(STEPS)
    dropped = zstd.open(work.read_file(0, ".jsonl.zst", "dropped"))
    assert json.loads(dropped.read())["id"] == "2"


def test_a_text_that_ends_too_soon_is_refused(tmp_path):
    (tmp_path / "a.txt").write_text("A text of some length, which is written down.")
    work = begin(tmp_path, [tmp_path / "a.txt"])
    read_shard(work, 0)
    file = work.read_file(0, ".zst")
    with packed(file) as handle:
        handle.write(b"A text of some")
    with pytest.raises(DataError, match="ends too soon"):
        list(documents(work, 0))
