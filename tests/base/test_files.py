import json
import os
from pathlib import Path

import pytest

from crash import WRITING, deaths, faults, full_disk
from trivium.base import files
from trivium.base.errors import ConfigError, DataError, TriviumError
from trivium.base.files import read_json


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def fill(folder: Path, text: str) -> None:
    """Publish a folder of two files, one of them deeper."""
    with files.publishing(folder) as temporary:
        files.write_text(temporary / "a", text)
        files.write_text(temporary / "deep" / "b", text)


def content(folder: Path) -> set[str]:
    return {path.read_text() for path in (folder / "a", folder / "deep" / "b")}


def test_what_is_written_is_read(tmp_path):
    tree = {"text": "naïve 中 😀", "number": 1.5, "list": [1, None, True]}
    files.write_json(tmp_path / "new" / "x.json", tree)
    assert files.read_json(tmp_path / "new" / "x.json") == tree
    assert names(tmp_path / "new") == ["x.json"]


def test_an_exception_leaves_the_old_file(tmp_path):
    files.write_text(tmp_path / "x", "old")
    with pytest.raises(ZeroDivisionError), files.writing(tmp_path / "x", "w") as handle:
        handle.write("new")
        raise ZeroDivisionError
    assert (tmp_path / "x").read_text() == "old" and names(tmp_path) == ["x"]


def test_an_exception_leaves_the_old_folder(tmp_path):
    fill(tmp_path / "x", "old")
    with pytest.raises(ZeroDivisionError), files.publishing(tmp_path / "x") as temporary:
        files.write_text(temporary / "a", "new")
        raise ZeroDivisionError
    assert content(tmp_path / "x") == {"old"} and names(tmp_path) == ["x"]


def test_publishing_replaces_all_of_an_older_folder(tmp_path):
    files.write_text(tmp_path / "x" / "stale", "old")
    fill(tmp_path / "x", "new")
    assert content(tmp_path / "x") == {"new"} and names(tmp_path / "x") == ["a", "deep"] and names(tmp_path) == ["x"]


def hit_by_a_full_disk(action, check, at_least: int) -> None:
    """Let the disk be full at each step in turn; every failure must be one clear line."""
    with faults(0, full_disk, WRITING) as steps:
        action()
    failed = 0
    for at in range(1, steps[0] + 1):
        try:
            with faults(at, full_disk, WRITING):
                action()
        except TriviumError as error:
            assert "x: cannot write: No space left" in str(error)
            failed += 1
        check(at)
    assert failed >= at_least


def test_a_full_disk_at_any_step_leaves_a_whole_file(tmp_path):
    def check(at: int) -> None:
        assert (tmp_path / "x").read_text() == "same" and names(tmp_path) == ["x"], f"at step {at}"

    hit_by_a_full_disk(lambda: files.write_text(tmp_path / "x", "same"), check, at_least=4)


def test_a_full_disk_before_the_rename_leaves_the_old_file(tmp_path):
    files.write_text(tmp_path / "x", "old")
    for name in ("fsync", "replace"):
        with pytest.raises(TriviumError, match="nothing was changed"), faults(1, full_disk, (name,)):
            files.write_text(tmp_path / "x", "new")
        assert (tmp_path / "x").read_text() == "old" and names(tmp_path) == ["x"]


def test_a_full_disk_at_any_step_leaves_a_whole_folder(tmp_path):
    texts = iter(map(str, range(1000)))

    def check(at: int) -> None:
        assert len(content(tmp_path / "x")) == 1 and names(tmp_path) == ["x"], f"at step {at}"

    def fill_x() -> None:
        text = next(texts)
        with files.publishing(tmp_path / "x") as temporary:
            (temporary / "a").write_text(text)
            (temporary / "deep").mkdir()
            (temporary / "deep" / "b").write_text(text)

    hit_by_a_full_disk(fill_x, check, at_least=10)


def test_death_at_any_step_leaves_the_old_file_or_the_new_one(tmp_path):
    files.write_text(tmp_path / "x", "old")
    for _ in deaths(lambda: files.write_text(tmp_path / "x", "new")):
        assert (tmp_path / "x").read_text() in ("old", "new")


def test_the_same_deaths_tear_a_file_that_is_written_in_place(tmp_path):
    def naive() -> None:
        with open(tmp_path / "x", "w") as handle:
            handle.write("new!")

    (tmp_path / "x").write_text("old")
    found = set()
    for _ in deaths(naive):
        found.add((tmp_path / "x").read_text())
    assert found - {"old", "new!"}


def test_death_at_any_step_of_publishing_leaves_no_half_folder(tmp_path):
    for at in deaths(lambda: fill(tmp_path / "x", "new")):
        assert not (tmp_path / "x").exists() or content(tmp_path / "x") == {"new"}, f"at step {at}"


def test_what_the_dead_left_is_swept_by_the_next_who_writes_there(tmp_path):
    for _ in deaths(lambda: files.write_text(tmp_path / "file", "new")):
        pass
    for _ in deaths(lambda: fill(tmp_path / "folder", "new")):
        pass
    fill(tmp_path / "folder", "last")
    files.write_text(tmp_path / "file", "last")
    assert names(tmp_path) == ["file", "folder"] and content(tmp_path / "folder") == {"last"}


def test_a_folder_that_was_moved_aside_by_the_dead_comes_back(tmp_path):
    fill(tmp_path / "x", "old")
    os.replace(tmp_path / "x", tmp_path / f".x.old-{2**22 + 1}")
    with pytest.raises(ZeroDivisionError), files.publishing(tmp_path / "x"):
        raise ZeroDivisionError
    assert content(tmp_path / "x") == {"old"} and names(tmp_path) == ["x"]


def test_what_the_living_are_writing_is_left_alone(tmp_path):
    other = tmp_path / f".x.tmp-{os.getppid()}"
    other.write_text("theirs")
    files.write_text(tmp_path / "x", "mine")
    assert names(tmp_path) == [other.name, "x"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_one_clear_error(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(TriviumError, match=r"x: cannot write: Permission denied"):
            files.write_text(tmp_path / "x", "new")
        with pytest.raises(TriviumError, match=r"y: cannot write: Permission denied"), files.publishing(tmp_path / "y"):
            pass
    finally:
        tmp_path.chmod(0o700)


def test_a_path_below_a_file_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(TriviumError, match=r"x: cannot write: "):
        files.write_text(tmp_path / "file" / "x", "new")


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_an_error_that_names_the_file(tmp_path, raw):
    (tmp_path / "x.json").write_bytes(raw)
    with pytest.raises(ConfigError, match=r"x\.json: not a JSON file"):
        files.read_json(tmp_path / "x.json", ConfigError)


def test_a_missing_file_and_a_folder_are_errors_too(tmp_path):
    with pytest.raises(DataError, match=r"no such file"):
        files.read_json(tmp_path / "x.json")
    with pytest.raises(DataError, match=r"cannot read"):
        files.read_json(tmp_path)


def test_hashes_are_those_of_the_content(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    assert files.xxh3(tmp_path / "x") == "06b05ab6733a618578af5f94892f3950"
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert files.sha256(tmp_path / "x") == files.sha256(b"abc") == files.sha256("abc") == known
    assert files.sha256("\ud800")


def test_a_fingerprint_knows_the_tree_and_not_the_order_of_its_keys():
    one, other = {"a": 1, "b": [1, 2]}, {"b": [1, 2], "a": 1}
    assert files.fingerprint(one) == files.fingerprint(other) == files.fingerprint(json.loads(json.dumps(one)))
    assert files.fingerprint(one) != files.fingerprint({"a": 1, "b": [2, 1]})


def test_a_lock_is_held_by_one_and_ends_with_its_block(tmp_path) -> None:
    path = tmp_path / "new" / ".lock"
    with files.locked(path) as first, files.locked(path) as second:
        assert first and not second
    with files.locked(path) as again:
        assert again
    (tmp_path / "file").write_text("")
    with pytest.raises(TriviumError, match="cannot write"), files.locked(tmp_path / "file" / ".lock"):
        pass


def test_json_holds_any_file_name(tmp_path):
    for value in ({"é": ["\udcff", "猫"]}, {"é": "猫"}):
        files.write_json(tmp_path / "a.json", value)
        assert files.read_json(tmp_path / "a.json") == value
    assert "猫" in (tmp_path / "a.json").read_text(encoding="utf-8")  # people can read what UTF-8 can hold


def test_only_what_is_empty_or_not_there_is_vacant(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    files.vacant(tmp_path / "empty")
    files.vacant(tmp_path / "nowhere")
    for name in ("file", ""):
        with pytest.raises(TriviumError, match="exists already; add --force"):
            files.vacant(tmp_path / name)
        files.vacant(tmp_path / name, force=True)


def test_a_number_of_many_digits_and_a_device_are_no_json(tmp_path):
    (tmp_path / "a.json").write_text('{"vocab_size": ' + "9" * 5000 + "}")
    with pytest.raises(TriviumError, match=r"a\.json: not a JSON file: .*4300 digits") as wrong:
        read_json(tmp_path / "a.json")
    assert "sys." not in str(wrong.value)
    (tmp_path / "b.json").symlink_to("/dev/zero")
    with pytest.raises(TriviumError, match=r"b\.json: expected a file, found a device or a pipe"):
        read_json(tmp_path / "b.json")
