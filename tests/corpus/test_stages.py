"""A task is done once, and gives what a person can mend as a line."""

import json

import pytest

from trivium.base.errors import DataError
from trivium.corpus.prepare import Preparation, prepare
from trivium.corpus.stages import STAGES, attempt, named
from trivium.corpus.work import Work


def test_a_task_that_is_done_is_not_done_again(tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_text("A text that is long enough to be kept.")
    prepare([tmp_path / "a.txt"], tmp_path / "data", Preparation(tokenizer="bytes"))
    work = Work(tmp_path / "data")
    assert [stage.todo(work) for stage in STAGES] == [[]] * len(STAGES)
    monkeypatch.setattr("trivium.corpus.stage.read.read", lambda *_: pytest.fail("read again"))
    for stage in STAGES:
        assert [attempt(str(tmp_path / "data"), stage.name, task) for task in stage.tasks(work)] in ([None], [])
    named("read").result(work, 0).unlink()
    assert named("read").todo(work) == [0]


def test_what_a_person_can_mend_is_a_line(tmp_path):
    (tmp_path / "t").mkdir()
    for number in range(5):
        (tmp_path / "t" / f"{number}.jsonl").write_text(json.dumps({"words": number}) + "\n")
    with pytest.raises(DataError) as told:
        prepare([tmp_path / "t"], tmp_path / "data", Preparation(tokenizer="bytes", shards=2))
    line = str(told.value)
    assert line.startswith("reading and cleaning, shard 0 of 2 (0.jsonl, 2.jsonl, 4.jsonl): ")
    assert "expected the key" in line and "\n" not in line
    with pytest.raises(DataError, match="--stage wash: expected split, read"):
        named("wash")
