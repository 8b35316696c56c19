"""The event files have the numbers of metrics.jsonl; a resumed run hides what it does again."""

import sys
from types import SimpleNamespace
from typing import ClassVar

import pytest

from trivium.train.track.tensorboard import TensorBoard
from trivium.train.track.tracker import TrackedRun

RECORDS = [{"step": 1, "loss": 2.5, "finite": True, "reason": "none"}, {"step": 1, "valid_loss": 2.25}]


class Writer:
    """What is asked of the writer of torch."""

    made: ClassVar[list["Writer"]] = []

    def __init__(self, folder, purge_step=None):
        self.folder, self.purge, self.scalars, self.texts, self.flushed = folder, purge_step, [], [], 0
        self.made.append(self)

    def add_scalar(self, *given):
        self.scalars.append(given)

    def add_text(self, *given):
        self.texts.append(given)

    def flush(self):
        self.flushed += 1

    def close(self):
        self.flushed = -1


@pytest.fixture
def made(monkeypatch):
    monkeypatch.setattr(Writer, "made", [])
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", SimpleNamespace(SummaryWriter=Writer))
    return Writer.made


def test_numbers_become_scalars_and_the_recipe_is_a_text(made, tmp_path):
    sink = TensorBoard().begin(TrackedRun(tmp_path, "run-1", 0, {"seed": 7}))
    for record in RECORDS:
        sink.write(record)
    (writer,) = made
    assert writer.scalars == [("loss", 2.5, 1), ("finite", True, 1), ("valid_loss", 2.25, 1)]
    assert writer.purge is None and '"seed": 7' in writer.texts[0][1] and writer.flushed == 2
    sink.close()
    assert writer.flushed == -1 and str(tmp_path / "tensorboard") in sink.where


@pytest.mark.parametrize(("step", "purge"), [(0, 0), (40, 41)])
def test_a_resumed_run_hides_the_steps_that_it_does_again(made, tmp_path, step, purge):
    (tmp_path / "tensorboard").mkdir()
    TensorBoard().begin(TrackedRun(tmp_path, "run-1", step, {}))
    assert made[0].purge == purge and not made[0].texts


def test_tensorboard_reads_each_step_once(tmp_path):
    pytest.importorskip("tensorboard", reason="the extra `track` is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for step, losses in ((0, [4.0, 3.0, 2.0]), (2, [1.5, 1.0])):
        sink = TensorBoard().begin(TrackedRun(tmp_path, "run-1", step, {"seed": 7}))
        for number, loss in enumerate(losses, step + 1):
            sink.write({"step": number, "loss": loss})
        sink.close()
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [(1, 4.0), (2, 3.0), (3, 1.5), (4, 1.0)]
    assert "seed" in events.Tensors("recipe/text_summary")[0].tensor_proto.string_val[0].decode()
