"""What the processes of a run know of each other: each tells that it lives and how far it is, so a lost one has a name.

Each has a thread that beats once a second, in a store that all reach, and sees whether the launcher still lives. Where
a collective fails, the ranks whose beat stands still are lost; where all beat, those that are behind.
"""

import json
import os
import signal
import socket
import threading
import time
from contextlib import suppress
from datetime import timedelta
from typing import Any

from torch.distributed import TCPStore

from trivium.base.errors import LostRank

BEAT_SECONDS = 1.0
SILENT_SECONDS = 2.5
"""The time after which a rank that did not beat is lost."""
ANSWER_SECONDS = 3.0
"""How long the store may take to answer."""


class Watch:
    """The beat of this process, and the view of the others."""

    def __init__(self, store: TCPStore, rank: int, size: int, seconds: float, hosted: bool) -> None:
        """A rank is waited for `seconds`; `hosted` says that this process has the store."""
        self.store: TCPStore = store.clone()  # type: ignore[attr-defined]
        self.rank, self.size, self.seconds, self.hosted = rank, size, seconds, hosted
        self.store.set_timeout(timedelta(seconds=ANSWER_SECONDS))
        self.met = 0
        """How many times this process met the others."""
        self._parent, self._over = os.getppid(), threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the beat."""
        self._over.set()
        self._thread.join(ANSWER_SECONDS)

    def _beat(self) -> None:
        tick, beats, orphan = 0, True, False
        while True:
            tick += 1
            if beats:
                try:
                    own = {"tick": tick, "met": self.met, "host": socket.gethostname(), "process": os.getpid()}
                    self.store.set(f"beat/{self.rank}", json.dumps(own))
                except RuntimeError:
                    beats = False
            if self._over.wait(BEAT_SECONDS):
                return
            if not orphan and os.getppid() != self._parent:
                orphan = True
                os.kill(os.getpid(), signal.SIGTERM)  # the run saves, and stops

    def _read(self) -> list[dict[str, Any]]:
        """Return the newest beat of each rank; an empty one where it has none yet."""
        keys = [f"beat/{rank}" for rank in range(self.size)]
        return [json.loads(self.store.get(key)) if self.store.check([key]) else {} for key in keys]

    def lost(self) -> LostRank:
        """Find the ranks that are lost, end those of this machine, and return the error that names them.

        All ranks that ask return the words of the first.
        """
        try:
            before = self._read()
            time.sleep(SILENT_SECONDS)
            now = self._read()
            gone = [rank for rank in range(self.size) if rank != self.rank and now[rank] == before[rank]]
            furthest = max(beat.get("met", 0) for beat in now)
            late = [rank for rank, beat in enumerate(now) if beat.get("met", 0) < furthest and rank != self.rank]
            text = self._worded(gone or late, "does not answer" if gone else "did not come")
            text = self.store.compare_set("lost", "", text).decode()
            for rank in gone or late:
                if now[rank].get("host") == socket.gethostname():
                    with suppress(OSError):
                        os.kill(now[rank]["process"], signal.SIGKILL)
            if self.hosted:
                time.sleep(SILENT_SECONDS)  # for the others, which still ask
        except RuntimeError:
            text = self._worded([0], "does not answer, or the launcher")
        return LostRank(text)

    def _worded(self, ranks: list[int], what: str) -> str:
        names = " and ".join(f"rank {rank}" for rank in ranks) or "a rank"
        waited = f"timeout_seconds={self.seconds:g}"
        return f"{names} of {self.size} {what} ({waited}); --resume goes on from the newest checkpoint"
