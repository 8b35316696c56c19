import os
import signal
import threading
import time
from contextlib import suppress

import pytest

from trivium.base import process as module
from trivium.base.errors import TriviumError
from trivium.base.process import SIGNALS, Interrupted, asked, shielded, stopping

EVERY = pytest.mark.parametrize("number", [getattr(signal, name) for name in SIGNALS])


@EVERY
def test_where_there_is_work_to_save_a_signal_asks(number):
    before = signal.getsignal(number)
    with stopping() as stop, stop.holding():
        assert not stop.is_set() and not asked()
        signal.raise_signal(number)
        signal.raise_signal(number)  # a launcher passes on what the terminal sends to all
        assert stop.signal == signal.Signals(number).name and asked()
    assert signal.getsignal(number) is before and not asked()


@EVERY
def test_where_there_is_none_it_ends_the_work(number):
    with pytest.raises(Interrupted, match="stopped before the first step; add --resume"), stopping():
        signal.raise_signal(number)
        time.sleep(5)


def test_a_signal_that_code_swallowed_is_told_before_there_is_work_to_save():
    with stopping() as stop:
        with suppress(Interrupted):
            signal.raise_signal(signal.SIGTERM)
        with pytest.raises(Interrupted), stop.holding():
            raise AssertionError("the work has begun")


def test_a_second_signal_ends_only_where_it_is_ctrl_c_some_time_later_outside_a_save(monkeypatch):
    saved = False
    with pytest.raises(KeyboardInterrupt), stopping() as stop, stop.holding():
        signal.raise_signal(signal.SIGINT)
        monkeypatch.setattr(module, "AGAIN_SECONDS", 0.0)
        time.sleep(0.001)
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
            signal.raise_signal(number)
        with shielded():
            signal.raise_signal(signal.SIGINT)
        saved = True
        signal.raise_signal(signal.SIGINT)
    assert saved


def test_a_first_signal_in_a_save_is_kept_for_after_it():
    with stopping() as stop, stop.holding():
        with shielded():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
        assert stop.is_set()


def test_what_nohup_ignores_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stopping() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not stop.is_set() and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_block_inside_another_is_asked_with_it():
    with stopping() as outer, stopping() as inner:
        assert inner is outer
        with outer.holding():
            signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_outside_the_main_thread_no_signal_is_caught():
    found = []

    def work():
        with stopping() as stop:
            found.extend([stop.is_set(), signal.getsignal(signal.SIGTERM) is signal.SIG_DFL])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [False, True]


def test_its_exit_code_says_that_the_run_can_be_resumed():
    assert Interrupted.exit_code == 75 and issubclass(Interrupted, TriviumError)
