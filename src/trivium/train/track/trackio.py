"""Trackio: a run in the database of this machine that `trackio show` reads."""

import io
import os
from collections.abc import Mapping
from contextlib import redirect_stdout
from typing import Any

from trivium.base.log import warn
from trivium.train.track.tracker import Sink, TrackedRun, Tracker

ELSEWHERE = ("TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL")
"""The variables by which trackio would send a run to another machine; a recipe has not asked for that."""


class Trackio(Tracker, kind="trackio"):
    """A run of trackio, kept on this machine. A resumed run goes on under the same name."""

    module = "trackio"
    project: str = "trivium"
    """The project of the run."""

    def begin(self, run: TrackedRun) -> Sink:
        """Begin a run of trackio, or go on with it."""
        trackio, about = self.library(), {"config": dict(run.recipe), "auto_log_gpu": False, "auto_log_cpu": False}
        aside = {name: os.environ.pop(name) for name in ELSEWHERE if name in os.environ}
        if aside:
            warn(f"track: trackio keeps the run on this machine; {' and '.join(aside)} is not read")
        try:
            with redirect_stdout(io.StringIO()):
                made = trackio.init(project=self.project, name=run.identity, resume="allow", embed=False, **about)
        finally:
            os.environ.update(aside)

        def write(record: Mapping[str, Any]) -> None:
            made.log({name: value for name, value in record.items() if name != "step"}, step=record["step"])

        def close() -> None:
            with redirect_stdout(io.StringIO()):
                made.finish()

        return Sink(write, close, f"trackio show --project {self.project}, run {run.identity}")
