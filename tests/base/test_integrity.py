import json
import os
import shutil
import threading

import pytest
import xxhash

from crash import faults, full_disk
from trivium.base import integrity
from trivium.base.integrity import STAMP, changed, verification, verifying


@pytest.fixture
def folder(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_text(name * 100)
    return tmp_path


@pytest.fixture
def hashes():
    return {name: xxhash.xxh3_128_hexdigest(name.encode() * 100) for name in ("a", "b")}


@pytest.fixture
def read(monkeypatch):
    """The names of the files that were read to be hashed."""
    names, plain = [], integrity.xxh3
    monkeypatch.setattr(integrity, "xxh3", lambda path: (names.append(path.name), plain(path))[1])
    return names


def rewrite(path, text):
    """Other content of the same size, at another time."""
    path.write_text(text)
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))


def test_each_file_is_read_once(folder, hashes, read):
    for _ in range(3):
        assert changed(folder, hashes) is None
    assert read == ["a", "b"] and sorted(json.loads((folder / STAMP).read_text())) == ["a", "b"]


def test_a_file_is_read_again_when_its_size_or_time_changes(folder, hashes, read):
    changed(folder, hashes)
    rewrite(folder / "b", "c" * 100)
    assert changed(folder, hashes) == folder / "b" and read == ["a", "b", "b"]
    assert changed(folder, hashes) == folder / "b", "what is wrong is not noted"
    rewrite(folder / "b", "b" * 100)
    assert changed(folder, hashes) is None and changed(folder, hashes) is None
    assert read == ["a", "b", "b", "b", "b"]


def test_a_note_counts_for_its_hash_alone(folder, hashes):
    changed(folder, hashes)
    assert changed(folder, {**hashes, "a": hashes["b"]}) == folder / "a"


def test_a_copy_is_read_again(folder, hashes, read, tmp_path_factory):
    changed(folder, hashes)
    copy = tmp_path_factory.mktemp("there") / "copy"
    shutil.copytree(folder, copy)  # with its times, and the note
    (copy / "a").write_text("x" * 100)
    os.utime(copy / "a", ns=((folder / "a").stat().st_mtime_ns,) * 2)
    assert changed(copy, hashes) == copy / "a"


def test_notes_of_other_files_stay(folder, hashes, read):
    for name, wanted in hashes.items():
        changed(folder, {name: wanted})
    changed(folder, hashes)
    assert read == ["a", "b"]


def test_a_folder_that_cannot_be_written_is_read_each_time(folder, hashes, read):
    for _ in range(2):
        with faults(2, full_disk):  # the folder is there, the file of the note fails
            assert changed(folder, hashes) is None
    assert read == ["a", "b"] * 2 and not (folder / STAMP).exists()


@pytest.mark.parametrize("text", ["", "[]", "{", "\0", '{"a": 3}'])
def test_a_note_that_is_none_is_made_again(folder, hashes, read, text):
    (folder / STAMP).write_text(text)
    assert changed(folder, hashes) is None and read == ["a", "b"]
    assert sorted(json.loads((folder / STAMP).read_text())) == ["a", "b"]


def test_where_nothing_is_to_be_verified_nothing_is_read(folder, hashes, read):
    (folder / "a").write_text("other")
    with verification(False), verification(True):
        assert not verifying() and changed(folder, hashes) is None
    assert verifying() and read == [] and not (folder / STAMP).exists()
    assert changed(folder, hashes) == folder / "a"


def test_other_threads_verify(folder, hashes):
    found = []
    with verification(False):
        thread = threading.Thread(target=lambda: found.append(verifying()))
        thread.start()
        thread.join()
    assert found == [True]
