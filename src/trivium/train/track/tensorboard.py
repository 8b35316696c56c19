"""TensorBoard: the numbers of a run as event files in its folder."""

from collections.abc import Mapping
from typing import Any

from trivium.train.track.tracker import Sink, TrackedRun, Tracker, told


class TensorBoard(Tracker, kind="tensorboard"):
    """Event files in `tensorboard/` of the run folder; a resumed run hides what it does again."""

    module = "torch.utils.tensorboard"
    rewinds = True

    def begin(self, run: TrackedRun) -> Sink:
        """Begin a file of events beside those that are there."""
        folder = run.folder / "tensorboard"
        purge = (run.step + 1 if run.step else 0) if folder.exists() else None
        writer = self.library().SummaryWriter(str(folder), purge_step=purge)
        if purge is None:
            writer.add_text("recipe", f"```\n{told(run.recipe)}\n```")

        def write(record: Mapping[str, Any]) -> None:
            for name, value in record.items():
                if name != "step" and isinstance(value, int | float):
                    writer.add_scalar(name, value, record["step"])
            writer.flush()  # a killed run has what metrics.jsonl has

        return Sink(write, writer.close, f"tensorboard --logdir {folder}")
