import os
import signal
import time

import pytest
from torch.distributed import TCPStore

from trivium.base.errors import LostRank
from trivium.train.guard import watch as module
from trivium.train.guard.watch import Watch


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    monkeypatch.setattr(module, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr(module, "SILENT_SECONDS", 0.5)
    monkeypatch.setattr(module, "ANSWER_SECONDS", 1.0)


@pytest.fixture
def store():
    return TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)


def watching(store, *met):
    """A watch for each rank, which met the others so many times."""
    made = [Watch(store, rank, len(met), 7.0, False) for rank in range(len(met))]
    for one, count in zip(made, met, strict=True):
        one.met = count
    return made


@pytest.fixture
def killed(monkeypatch):
    found = []
    monkeypatch.setattr(os, "kill", lambda process, number: found.append((process, number)))
    return found


def test_a_rank_that_is_silent_is_lost(store, killed):
    one, two, three = watching(store, 4, 4, 4)
    time.sleep(0.2)
    two.close()
    found = one.lost()
    assert isinstance(found, LostRank) and found.exit_code == 5
    assert str(found) == (
        "rank 1 of 3 does not answer (timeout_seconds=7); --resume goes on from the newest checkpoint"
    )
    assert killed == [(os.getpid(), signal.SIGKILL)]
    one.close()
    assert str(three.lost()) == str(found), "who asks later has the words of the first"
    three.close()


def test_a_rank_that_beats_but_is_behind_did_not_come(store, killed):
    made = watching(store, 5, 4)
    assert str(made[0].lost()).startswith("rank 1 of 2 did not come")
    for one in made:
        one.close()


def test_a_rank_that_never_was_there_is_named(store, killed):
    one = Watch(store, 0, 2, 7.0, False)
    assert str(one.lost()).startswith("rank 1 of 2 does not answer")
    one.close()


def test_an_orphan_is_asked_to_stop(store, killed, monkeypatch):
    one = Watch(store, 0, 2, 7.0, False)
    time.sleep(0.2)
    assert killed == []
    monkeypatch.setattr(os, "getppid", lambda: 1)
    time.sleep(0.3)
    one.close()
    assert killed == [(os.getpid(), signal.SIGTERM)]
