"""The work folder keeps a plan, lets one process in at a time, and is swept."""

import os

from trivium.base.config import dump
from trivium.corpus.plan import Plan, Unit
from trivium.corpus.preparation import Preparation
from trivium.corpus.work import Work


def test_a_plan_comes_back_as_it_was_written(tmp_path):
    work = Work(tmp_path / "data")
    options, shards = Preparation(valid_share=0.25), [[Unit("a/x", 1, "h1"), Unit("a/z", 9, "h", 1, 3)], []]
    written = Plan(["here"], options, shards, {"preparation": dump(options)}, "code", ["odd.x"])
    assert work.before() == []
    work.begin(written)
    again = Work(tmp_path / "data").plan
    assert again == written and again.key == written.key


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
