"""The index against a search through every document: it finds the same runs, and none across a border."""

import sys

import numpy as np
import pytest

import tiny
from trivium.base.errors import DataError
from trivium.data.shards import Corpus
from trivium.data.suffix import Run, Suffixes, build, covered

DRAW = np.random.default_rng(7)


def documents(count=30, vocab_size=4, longest=25):
    return [DRAW.integers(0, vocab_size, DRAW.integers(0, longest)) for _ in range(count)]


def searched(texts, ids, least):
    """The runs by the definition, with all their places."""

    def places(run):
        size = len(run)
        return [
            (number, at)
            for number, text in enumerate(texts)
            for at in range(len(text) - size + 1)
            if text[at : at + size].tolist() == run
        ]

    found, end = [], 0
    for start in range(len(ids)):
        longest = next((stop for stop in range(len(ids), start, -1) if places(ids[start:stop])), start)
        if longest - start >= least and longest > end:
            end = longest
            found.append((start, longest - start, places(ids[start:longest])))
    return found


def indexed(folder, texts, **options):
    corpus = tiny.write_corpus(folder, texts, **options)
    build(corpus)
    return Suffixes(Corpus(corpus, "train"))


@pytest.mark.parametrize("shard_documents", [1000, 4])
@pytest.mark.parametrize("least", [1, 4])
def test_runs_are_those_of_a_search_through_every_document(tmp_path, shard_documents, least):
    texts = documents()
    index = indexed(tmp_path / "data", texts, shard_documents=shard_documents)
    for size in (0, 1, 3, 40):
        ids = DRAW.integers(0, 5, size).tolist()
        found, wanted = index.runs(ids, least, most_places=10_000), searched(texts, ids, least)
        assert [(run.start, run.length, run.times) for run in found] == [(a, b, len(c)) for a, b, c in wanted]
        assert [sorted(run.places) for run in found] == [places for _, _, places in wanted]


def test_a_run_ends_with_its_document(tmp_path):
    index = indexed(tmp_path / "data", [np.array([1, 2, 3]), np.array([4, 5, 6])])
    assert [run[:3] for run in index.runs([2, 3, 4, 5])] == [(0, 2, 1), (2, 2, 1)]


def test_ids_of_four_bytes_and_the_largest_id_are_found(tmp_path):
    top = 70_000
    index = indexed(tmp_path / "data", [np.array([7, top - 1, 9]), np.array([top - 1, 9, 9])], vocab_size=top)
    assert index.runs([top - 1, 9], most_places=5) == [Run(0, 2, 2, [(0, 1), (1, 0)])]
    index = indexed(tmp_path / "full", [np.array([65_535, 0])], vocab_size=1 << 16)
    assert index.runs([65_535, 0])[0].length == 2


def test_no_more_places_than_asked_for_and_the_count_of_all(tmp_path):
    index = indexed(tmp_path / "data", [np.array([1, 2])] * 9, shard_documents=2)
    (run,) = index.runs([1, 2], most_places=3)
    assert run.times == 9 and len(run.places) == 3


def test_an_index_is_made_once_and_anew_for_other_data(tmp_path):
    folder = tmp_path / "data"
    tiny.write_corpus(folder, documents(6), shard_documents=3)
    assert build(folder) == 2 and build(folder) == 0
    tiny.write_corpus(folder, [np.array([1, 2])])
    with pytest.raises(DataError, match=r"train-00000\.sfx: expected the index of these data, found another one"):
        Suffixes(Corpus(folder, "train"))
    assert build(folder) == 1
    assert Suffixes(Corpus(folder, "train")).runs([1, 2])[0].length == 2


def test_a_missing_or_damaged_index_is_one_line(tmp_path):
    folder = tiny.write_corpus(tmp_path / "data", documents(6))
    with pytest.raises(DataError, match=r"found none; make it with `trivium prepare SOURCE -o .*data --index`"):
        Suffixes(Corpus(folder, "train"))
    build(folder)
    path = folder / "train-00000.sfx"
    raw = bytearray(path.read_bytes())
    raw[0] ^= 1
    path.write_bytes(raw)
    with pytest.raises(DataError, match="expected the index that was made, found another content"):
        Suffixes(Corpus(folder, "train"))


def test_without_the_package_the_extra_is_named(tmp_path, monkeypatch):
    folder = tiny.write_corpus(tmp_path / "data", documents(2))
    monkeypatch.setitem(sys.modules, "pydivsufsort", None)
    with pytest.raises(DataError, match=r"^an index of suffixes needs pydivsufsort: pip install pydivsufsort$"):
        build(folder)
    assert not list(folder.glob("*.sfx")) and not (folder / "suffixes.json").exists()


def test_covered_parts_join_runs_that_touch():
    runs = [Run(0, 3, 1, []), Run(2, 4, 1, []), Run(6, 1, 1, []), Run(9, 2, 1, [])]
    assert [*covered(runs)] == [(0, 7), (9, 11)]
    assert [*covered([])] == []
