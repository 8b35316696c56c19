"""The processes of a run on one machine, started and ended by torch's own launcher, and the store where they meet."""

import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from logging import CRITICAL, getLogger

from torch.distributed import TCPStore
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SubprocessContext, start_processes

from trivium.base.errors import LostRank
from trivium.base.log import note
from trivium.base.process import Interrupted, stopping

POLL_SECONDS = 0.1
GRACE_SECONDS, SAVING_SECONDS = 6.0, 60.0
"""How long processes may take to end by themselves after one has failed, and after one has saved and stopped."""
KILL_SECONDS = 3
"""How long they may take after SIGTERM."""


def launch(processes: int, words: Sequence[str]) -> int:
    """Run the command `trivium words` in so many processes on this machine; return the exit code of the run.

    A signal goes to every process, which saves and stops. Where one fails the others are ended, and its exit code is
    the run's; it is that of LostRank where one was killed.
    """
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False, timeout=timedelta(seconds=60))
    getLogger("torch.distributed.elastic").setLevel(CRITICAL)
    os.environ["TORCHELASTIC_SIGNALS_TO_HANDLE"] = "SIGQUIT"  # the others are ours
    ranks = range(processes)
    shared = {
        "WORLD_SIZE": str(processes),
        "LOCAL_WORLD_SIZE": str(processes),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(store.port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes))),
    }
    envs = {rank: {**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in ranks}
    with stopping() as stop, tempfile.TemporaryDirectory(prefix="trivium-") as folder, stop.holding():
        command = ("-m", "trivium", *words)
        context = start_processes(
            "trivium", sys.executable, dict.fromkeys(ranks, command), envs, DefaultLogsSpecs(log_dir=folder)
        )
        assert isinstance(context, SubprocessContext)
        started = [context.subprocess_handlers[rank].proc for rank in ranks]

        def tell(number: int) -> None:
            for process in started:
                if process.poll() is None:
                    os.kill(process.pid, number)

        passed, failed = False, 0.0
        before = signal.signal(signal.SIGTSTP, partial(pause, tell))
        try:
            while None in (codes := [process.poll() for process in started]):
                if stop.signal and not passed:
                    passed = True
                    tell(getattr(signal, stop.signal))
                    tell(signal.SIGCONT)  # one that stands still would never hear it
                bad = {code for code in codes if code}
                failed = failed or (time.monotonic() if bad else 0.0)
                patience = GRACE_SECONDS if bad - {Interrupted.exit_code} else SAVING_SECONDS
                if bad and time.monotonic() - failed > patience:
                    context.close(timeout=KILL_SECONDS)
                time.sleep(POLL_SECONDS)
        finally:
            signal.signal(signal.SIGTSTP, before)
            context.close(signal.SIGKILL, KILL_SECONDS)
    return verdict({rank: code for rank, code in enumerate(codes) if code})


def pause(tell: Callable[[int], None], *_: object) -> None:
    """Let all processes stand still while this one does: Ctrl-Z reaches it alone, because each has its own session."""
    tell(signal.SIGSTOP)
    signal.raise_signal(signal.SIGSTOP)
    tell(signal.SIGCONT)


def verdict(failed: Mapping[int, int]) -> int:
    """Return the exit code of a run from those of the ranks that failed, and say which were killed by a signal.

    A mistake or a fault comes first, then a lost rank, then a stop.
    """
    lost, stopped = LostRank.exit_code, Interrupted.exit_code
    own = [code for code in failed.values() if code > 0 and code not in (lost, stopped)]
    if own:
        return own[0]
    killed = {rank: signal.Signals(-code).name for rank, code in failed.items() if code < 0}
    if killed and lost not in failed.values():
        names = ", ".join(f"rank {rank} by {name}" for rank, name in killed.items())
        note(f"error: {names}: ended from outside; --resume goes on from the newest checkpoint")
    return lost if killed or lost in failed.values() else next(iter(failed.values()), 0)
