"""Weights & Biases: a run in `wandb/` of the run folder, which leaves this machine only where the recipe says so."""

from typing import Literal

from trivium.train.track.tracker import Sink, TrackedRun, Tracker


class WandB(Tracker, kind="wandb"):
    """A run of wandb, offline by default: `wandb sync` sends it later. A resumed run goes on under the same id."""

    module = "wandb"
    project: str = "trivium"
    """The project of the run."""
    mode: Literal["offline", "online"] = "offline"
    """`online` sends the records while the run goes on, with the account that `wandb login` has set."""

    def begin(self, run: TrackedRun) -> Sink:
        """Begin a run of wandb, or go on with it."""
        wandb = self.library()
        quiet = wandb.Settings(silent=True, console="off", disable_git=True, save_code=False)
        about = {"config": dict(run.recipe), "dir": str(run.folder), "settings": quiet}
        name, mine = run.folder.resolve().name, run.identity.rpartition("-")[2]
        made = wandb.init(project=self.project, name=name, id=mine, resume="allow", mode=self.mode, **about)
        made.define_metric("*", step_metric="step")
        sent = f"wandb sync {run.folder / 'wandb'}/*run-*-{mine}" if self.mode == "offline" else made.url
        return Sink(lambda record: made.log(dict(record)), made.finish, str(sent))
