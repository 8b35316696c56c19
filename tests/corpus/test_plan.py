"""Shards are even, stay as they were, and are known by what is in them."""

from trivium.corpus.plan import MOST_SHARDS, SHARD_BYTES, Plan, Unit, assign, shard_count
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
    return Plan(["here"], options, shards, inputs, "code", ["odd.x"])


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
