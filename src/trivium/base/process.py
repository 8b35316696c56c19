"""Processes: how they start, how a signal asks one to stop, and how several say one thing once.

SIGINT, SIGTERM, SIGUSR1 and SIGHUP ask a run to end, and what it has done is saved first. Where there is nothing to
save, a signal ends the work at once. Where there is, whoever works polls `asked`.
"""

import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

from trivium.base.errors import TriviumError
from trivium.base.files import sha256

SIGNALS = ("SIGINT", "SIGTERM", "SIGUSR1", "SIGHUP")
"""The signals that ask; a system may lack some."""
AGAIN_SECONDS = 2.0
"""A second Ctrl-C ends at once after this time; before, it is the same request: a launcher passes on what the terminal
sends to all.
"""


T = TypeVar("T")


def heard(act: Callable[[], T], seconds: float) -> T:
    """Return what a long call into a library returns, made in a thread, so that this one hears signals meanwhile.

    TimeoutError after so many seconds; the thread is left to itself.
    """
    found: list[T] = []
    failed: list[BaseException] = []

    def make() -> None:
        try:
            found.append(act())
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=make, daemon=True)
    thread.start()
    thread.join(max(0.0, seconds))
    if failed:
        raise failed[0]
    if not found:
        raise TimeoutError(f"no answer within {seconds:g} seconds")
    return found[0]


def processes(*modules: str) -> Any:
    """Return the context of `multiprocessing` that starts processes fast and without a copy of this one's threads.

    A server imports `modules` once and forks each process; Windows has none, so there each process imports them again.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    if modules:
        context.set_forkserver_preload(list(modules))
    return context


def speaks(error: str) -> bool:
    """Return whether this process is to say an error: the first that has it, of those that one launcher started here.

    The launcher of torch names a file for the error of each process, which gets it too: `torchrun` shows it at its end.
    """
    if not (file := os.environ.get("TORCHELASTIC_ERROR_FILE")):
        return True
    more = {"py_callstack": error, "timestamp": str(int(time.time()))}
    with suppress(OSError):
        Path(file).write_text(json.dumps({"message": {"message": error, "extraInfo": more}}), encoding="utf-8")
    try:
        os.close(os.open(Path(file).parent.parent / f"told-{sha256(error)[:16]}", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    except OSError:
        pass
    return True


class Interrupted(TriviumError):
    """A signal stopped the run, and what it had done is saved."""

    exit_code = 75


class Stop:
    """Whether this process was asked to stop, by which signal, and what a signal does now."""

    def __init__(self) -> None:
        self.signal = ""
        """The name of the signal that asked first."""
        self.phase = "before the first step"
        """What a run does where nothing must be saved."""
        self.shielded = False
        """Whether no second signal may end what is done now."""
        self._since, self._held = 0.0, False

    def is_set(self) -> bool:
        """Return whether a signal asked."""
        return bool(self.signal)

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Let a signal only ask in this block, because there is work to save. Interrupted if it asked before."""
        if self.signal:
            raise self._ended()
        self._held = True
        try:
            yield
        finally:
            self._held = False

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Take note of a signal. Interrupted where nothing must be saved; a late second Ctrl-C is KeyboardInterrupt."""
        first = not self.signal
        if first:
            self.signal, self._since = signal.Signals(number).name, time.monotonic()
        if self.shielded:
            return
        if first and not self._held:
            raise self._ended()
        if not first and number == signal.SIGINT and time.monotonic() - self._since > AGAIN_SECONDS:
            raise KeyboardInterrupt

    def _ended(self) -> Interrupted:
        return Interrupted(f"stopped {self.phase}; add --resume to continue")


_current: list[Stop] = []


def asked() -> bool:
    """Return whether the run of this process was asked to stop."""
    return bool(_current) and _current[0].is_set()


@contextmanager
def shielded() -> Iterator[None]:
    """Let no second signal end this block: it saves."""
    stop = _current[0] if _current else Stop()
    stop.shielded = True
    try:
        yield
    finally:
        stop.shielded = False


@contextmanager
def stopping() -> Iterator[Stop]:
    """Let the signals ask in this block, and yield what they ask; a block inside another yields the same.

    SIGHUP stays ignored where it was, as under `nohup`. Outside the main thread no signal is caught.
    """
    if _current or threading.current_thread() is not threading.main_thread():
        yield _current[0] if _current else Stop()
        return
    stop = Stop()
    numbers = [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)]
    ignored = getattr(signal, "SIGHUP", None) in numbers and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    before = {n: signal.signal(n, stop.handle) for n in numbers if not (ignored and n == signal.SIGHUP)}
    _current.append(stop)
    try:
        yield stop
    finally:
        _current.clear()
        for number, previous in before.items():
            signal.signal(number, previous)
