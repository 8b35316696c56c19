import json

import numpy as np
import pytest

import tiny
from trivium.base.errors import DataError
from trivium.base.files import write_json, xxh3
from trivium.base.integrity import verification
from trivium.base.version import FORMAT
from trivium.data.shards import Corpus, ShardWriter, dtype_for, read_manifest, whole

LENGTHS = [5, 0, 9, 1, 30, 2]


@pytest.fixture
def folder(tmp_path):
    return tiny.write_corpus(tmp_path / "data", tiny.documents(LENGTHS), tiny.documents([4], seed=1), shard_documents=2)


def refused(folder, match):
    with pytest.raises(DataError, match=match) as error:
        Corpus(folder, "train")
    assert "\n" not in str(error.value)


def change(folder, **facts):
    path = folder / "manifest.json"
    tree = {**json.loads(path.read_text()), **facts}
    path.write_text(json.dumps({key: value for key, value in tree.items() if value is not None}))


def flip(path, at):
    raw = bytearray(path.read_bytes())
    raw[at] ^= 1
    path.write_bytes(raw)


@pytest.mark.parametrize(("size", "dtype"), [(1, "<u2"), (65535, "<u2"), (65536, "<u2"), (65537, "<u4")])
def test_ids_take_two_bytes_while_the_largest_fits(size, dtype):
    assert dtype_for(size) == np.dtype(dtype) and np.iinfo(dtype).max >= size - 1


@pytest.mark.parametrize("size", [65536, 65537])
def test_the_largest_id_survives_the_disk(tmp_path, size):
    folder = tiny.write_corpus(tmp_path / "data", [np.array([0, size - 1])], vocab_size=size)
    assert Corpus(folder, "train").read(0).tolist() == [0, size - 1]


def test_an_id_outside_the_vocabulary_is_never_written(tmp_path):
    outside = pytest.raises(DataError, match=r"x\.tok: id 64 is outside the vocabulary of 64")
    with outside, ShardWriter(tmp_path, "x", 64) as shard:
        shard.add(np.array([3, 64]), np.array([0, 2]), 0)
    assert not list(tmp_path.iterdir())


def test_what_was_written_is_read_over_shard_borders(folder):
    corpus = Corpus(folder, "train")
    assert corpus.lengths.tolist() == LENGTHS and len(corpus) == 6
    for read, written in zip(corpus.documents(), tiny.documents(LENGTHS), strict=True):
        assert read.tolist() == written.tolist() and read.dtype == np.int64
    assert corpus.read(4, 10, 13).tolist() == tiny.documents(LENGTHS)[4][10:13].tolist()
    assert corpus.read(4, 28, 99).tolist() == tiny.documents(LENGTHS)[4][28:].tolist()
    assert corpus.bytes == 3 * sum(LENGTHS)


def test_a_split_that_is_not_there_is_empty(folder):
    assert len(Corpus(folder, "test")) == 0


@pytest.mark.parametrize("suffix", [".tok", ".idx"])
@pytest.mark.parametrize("cut", [1, 8, None])
def test_a_truncated_file_is_refused(folder, suffix, cut):
    path = folder / f"train-00002{suffix}"
    path.write_bytes(path.read_bytes()[:-cut] if cut else b"")
    refused(folder, r"train-00002\.(tok|idx): expected the file its manifest describes, found")


@pytest.mark.parametrize("suffix", [".tok", ".idx"])
def test_a_longer_file_is_refused(folder, suffix):
    with open(folder / f"train-00001{suffix}", "ab") as handle:
        handle.write(b"\0" * 8)
    refused(folder, r"train-00001\.tok: expected the file")


@pytest.mark.parametrize("suffix", [".tok", ".idx"])
def test_a_missing_file_is_refused(folder, suffix):
    (folder / f"train-00000{suffix}").unlink()
    refused(folder, rf"train-00000\{suffix}: .* found no such file")


@pytest.mark.parametrize(("suffix", "at"), [(".tok", 0), (".tok", -1), (".idx", 8)])
def test_a_flipped_bit_is_found_by_the_hash(folder, suffix, at):
    flip(folder / f"train-00000{suffix}", at)
    refused(folder, rf"train-00000\{suffix}: .* another content .*; prepare the folder again; --no-verify takes it")
    assert len(Corpus(folder, "valid")) == 1, "the other split is whole"
    with verification(False):
        assert len(Corpus(folder, "train")) == 6


def test_a_bit_that_flips_after_the_first_look_is_found_too(folder):
    Corpus(folder, "train")
    flip(folder / "train-00000.tok", 0)
    refused(folder, r"train-00000\.tok: .* another content")


def test_the_tokenizer_is_part_of_the_folder(folder):
    (folder / "tokenizer").mkdir()
    file = folder / "tokenizer" / "tokenizer_config.json"
    file.write_text('{"eos_token": "</s>"}')
    change(folder, files={"tokenizer/tokenizer_config.json": xxh3(file)})
    for split in ("train", "valid"):
        Corpus(folder, split)
    assert whole(folder, read_manifest(folder))
    file.write_text('{"eos_token": "<u>"}')
    refused(folder, r"tokenizer/tokenizer_config\.json: .* another content")
    assert not whole(folder, read_manifest(folder)), "`prepare` makes it again"
    file.unlink()
    refused(folder, r"tokenizer/tokenizer_config\.json: .* no such file")


def test_addresses_are_verified_when_they_are_asked_for(tmp_path):
    with ShardWriter(tmp_path, "train-00000", 64) as shard:
        shard.add(np.array([3, 4]), np.array([0, 2]), 2, [(0, "7")])
    line = {**shard.line, "shard": 0}
    facts = {"dtype": "<u2", "vocab_size": 64, "tokenizer": "", "splits": {"train": [line]}, "sources": [["a.txt"]]}
    write_json(tmp_path / "manifest.json", {"format": 1, "inputs_hash": "", "dataset_id": "", **facts})
    assert Corpus(tmp_path, "train").address(0) == ("a.txt", "7")
    flip(tmp_path / "train-00000.src", -1)
    corpus = Corpus(tmp_path, "train")
    assert corpus.read(0).tolist() == [3, 4], "training needs no addresses"
    with pytest.raises(DataError, match=r"train-00000\.src: .* another content"):
        corpus.address(0)


def test_an_index_that_falls_is_refused_without_hashing(folder):
    offsets = np.fromfile(folder / "train-00001.idx", "<u8")
    offsets[1] = offsets[-1] + 5
    offsets.tofile(folder / "train-00001.idx")
    refused(folder, r"train-00001\.idx: .* offsets that do not rise")


def test_an_id_outside_the_vocabulary_is_never_given(folder):
    ids = np.fromfile(folder / "train-00000.tok", "<u2")
    ids[3] = 64
    ids.tofile(folder / "train-00000.tok")
    with verification(False):
        corpus = Corpus(folder, "train")
    with pytest.raises(DataError, match=r"train-00000\.tok: .* id 64 in a vocabulary of 64"):
        corpus.read(0)
    assert len(corpus.read(2)) == LENGTHS[2]


@pytest.mark.parametrize("version", [0, FORMAT + 1, "1", None])
def test_another_format_is_refused(folder, version):
    change(folder, format=version)
    refused(folder, rf"manifest\.json: format: expected a number from 1 to {FORMAT}, found {version!r}")


def test_a_manifest_without_its_keys_is_refused(folder):
    change(folder, splits=None, vocab_size=None)
    refused(folder, r"manifest\.json: expected a manifest with vocab_size, splits")


@pytest.mark.parametrize("text", ["", "[]", "{", "null"])
def test_a_manifest_that_is_none_is_refused(folder, text):
    (folder / "manifest.json").write_text(text)
    refused(folder, r"manifest\.json: ")


def test_what_is_no_data_folder_is_told_how_to_become_one(tmp_path):
    there, new = tmp_path, tmp_path / "x"
    with pytest.raises(DataError) as told:
        read_manifest(there)
    made = f"make one with `trivium prepare {there} -o data/{there.name}`"
    assert str(told.value) == f"{there}: not a data folder: no manifest.json in it; {made}"
    with pytest.raises(DataError, match=r"not a data folder: no such folder; make one with `trivium prepare SOURCE -o"):
        read_manifest(new)
