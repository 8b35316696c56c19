"""Shards are even, stay as they were, and are known by what is in them."""

import os
from collections import Counter

import numpy as np
import pytest

from crash import deaths
from trivium.base.errors import DataError
from trivium.corpus.plan import MOST_SHARDS, SHARD_BYTES, Arrays, Plan, Unit, Work, assign, save, shard_count
from trivium.corpus.preparation import Preparation


def files(*sizes):
    return [Unit(f"f{at:03d}", size, f"hash{at}") for at, size in enumerate(sizes)]


def load(units):
    return sum(unit.size / unit.parts for unit in units)


def test_every_file_has_one_shard_and_shards_are_even():
    found = files(*[(at * 37) % 91 + 5 for at in range(200)])
    shards = assign(found, 7)
    assert sorted(unit.path for units in shards for unit in units) == [unit.path for unit in found]
    assert max(map(load, shards)) - min(map(load, shards)) <= 95
    assert all(units == sorted(units, key=lambda unit: unit.path) for units in shards)


def test_a_large_file_is_divided_and_a_small_one_never():
    shards = assign(files(1000, 10, 10), 4)
    parts = sorted((unit.part, unit.parts) for units in shards for unit in units if unit.path == "f000")
    assert parts == [(part, 4) for part in range(4)]
    assert all(unit.parts == 1 for units in shards for unit in units if unit.path != "f000")
    assert len({shard for shard, units in enumerate(shards) for unit in units if unit.path == "f000"}) == 4


def test_no_known_file_moves_and_new_ones_go_where_there_is_least():
    before = assign(files(50, 40, 30, 20, 10), 2)
    later = [*files(50, 400, 30, 10)[:3], Unit("new", 35, "h"), Unit("big", 900, "h")]  # one grown, two gone, two new
    shards = assign(later, 2, before)
    where = {(unit.path, unit.part): shard for shard, units in enumerate(shards) for unit in units}
    old = {(unit.path, unit.part): shard for shard, units in enumerate(before) for unit in units}
    assert all(where[key] == old[key] for key in old if key in where)
    assert {path for path, _ in where} == {"f000", "f001", "f002", "new", "big"}


def test_the_number_of_shards_goes_by_size_and_has_an_end():
    assert shard_count([]) == 1 == shard_count(files(10, 20))
    assert shard_count(files(SHARD_BYTES, 1)) == 2
    assert shard_count([Unit("a.jsonl.zst", SHARD_BYTES, "h")]) == 4  # more text than bytes
    assert shard_count(files(SHARD_BYTES * MOST_SHARDS * 9)) == MOST_SHARDS


def plan(shards, **changes):
    options = Preparation(**changes)
    inputs = {"preparation": options.model_dump()}
    return Plan(["here"], options, shards, inputs, "code", Counter(odd=2))


def test_keys_follow_what_results_depend_on(tmp_path):
    one, two = [Unit("a/x", 1, "h1")], [Unit("a/y", 1, "h2")]
    first = plan([one, two])
    assert plan([[Unit("b/x", 1, "h1")], two]).read_keys == first.read_keys  # a file may move
    changed = plan([[Unit("a/x", 1, "other")], two])
    assert changed.read_keys[0] != first.read_keys[0] and changed.read_keys[1] == first.read_keys[1]
    assert changed.dedup_key != first.dedup_key and changed.tokenizer_key != first.tokenizer_key
    later = plan([one, two], vocab_size=512)
    assert later.read_keys == first.read_keys and later.dedup_key == first.dedup_key
    assert later.tokenizer_key != first.tokenizer_key
    assert plan([one, two], near=None).read_keys != first.read_keys


def test_a_plan_comes_back_as_it_was_written(tmp_path):
    work = Work(tmp_path / "data")
    written = plan([[Unit("a/x", 1, "h1"), Unit("a/z", 9, "h", 1, 3)], []], valid_share=0.25)
    assert work.before() == []
    work.begin(written)
    again = Work(tmp_path / "data").plan
    assert (again.shards, again.preparation, again.counts, again.key) == (
        written.shards,
        written.preparation,
        written.counts,
        written.key,
    )


def test_arrays_come_back_and_equal_ones_are_equal_files(tmp_path):
    arrays = {"a": np.arange(5), "b": np.array([b"x", b"yy"], "S")}
    for name in ("one", "two"):
        save(tmp_path / name, {"中": 1}, **arrays)
    found = Arrays(tmp_path / "one")
    assert (
        found.facts() == {"中": 1} and found["a"].tolist() == [0, 1, 2, 3, 4] and found["b"].tolist() == [b"x", b"yy"]
    )
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-40], lambda data: b"", lambda data: data.replace(b"\x93N", b"\x00N")]
)
def test_a_damaged_result_is_one_clear_error(tmp_path, damage):
    save(tmp_path / "x.npz", {}, a=np.arange(50))
    (tmp_path / "x.npz").write_bytes(damage((tmp_path / "x.npz").read_bytes()))
    with pytest.raises(DataError, match=r"x\.npz: expected the result of a step, found it damaged .*prepare again"):
        Arrays(tmp_path / "x.npz")["a"]


def test_a_process_that_dies_while_it_saves_leaves_all_or_nothing(tmp_path):
    path, died = tmp_path / "x.npz", 0
    for at in deaths(lambda: save(path, {"a": 1}, b=np.arange(100))):
        assert not path.exists() or Arrays(path)["b"].tolist() == list(range(100)), f"at step {at}"
        path.unlink(missing_ok=True)
        died += 1
    assert died > 4


def test_a_second_process_waits_and_takes_the_lock_that_others_meet(tmp_path):
    work = Work(tmp_path / "data")
    (reading, writing), (go, start) = os.pipe(), os.pipe()
    if (child := os.fork()) == 0:  # before the lock is taken: a child would inherit it
        try:
            os.read(go, 1)
            with Work(tmp_path / "data").locked(lambda: os.write(writing, b"waits ")):
                there = (tmp_path / "data.work" / "lock").exists()
                os.write(writing, b"has it" if there else b"has one that is gone")
        finally:
            os._exit(0)
    with work.locked():
        os.write(start, b".")
        assert os.read(reading, 6) == b"waits "
        work.remove()
    assert os.read(reading, 30) == b"has it"
    assert os.waitpid(child, 0)[1] == 0


def test_what_no_plan_needs_is_swept(tmp_path):
    work = Work(tmp_path / "data")
    work.folder.mkdir()
    for name in ("read-00000-a.npz", "read-00000-a.jsonl.zst", "read-00000-b.npz", "lock", "plan.json"):
        (work.folder / name).touch()
    work.sweep({"read-00000-a"})
    assert sorted(path.name for path in work.folder.iterdir()) == [
        "lock",
        "plan.json",
        "read-00000-a.jsonl.zst",
        "read-00000-a.npz",
    ]
