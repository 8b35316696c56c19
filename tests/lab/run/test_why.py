"""What a step is said to cost is what the run itself has measured, document by document."""

import json
from pathlib import Path

import pytest

from runs import pretraining, tuning
from trivium.base.errors import ConfigError, DataError
from trivium.cli import run as command
from trivium.lab.run.why import Replay
from trivium.task.run import run


@pytest.fixture(scope="module")
def done(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("why") / "run"
    run(pretraining(data, save_every_steps=1, keep_checkpoints=10), folder)
    return folder


def measured(folder: Path, key: str) -> dict[int, float]:
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return {line["step"]: line[key] for line in map(json.loads, lines) if key in line}


@pytest.mark.parametrize("step", [1, 2, 4])
def test_the_documents_of_a_step_add_up_to_its_loss(done: Path, step: int) -> None:
    costs = Replay(done).step(step)
    targets = sum(one.targets for one in costs)
    assert targets == measured(done, "targets")[step]
    total = sum(one.loss * one.targets for one in costs if one.targets)
    assert total / targets == pytest.approx(measured(done, "loss")[step], abs=1e-5)
    losses = [one.loss for one in costs if one.targets]
    assert losses == sorted(losses, reverse=True) and len(losses) > 1


def test_each_document_is_named_by_its_file_and_shown(done: Path, data: Path) -> None:
    for one in Replay(done).step(1):
        source = one.origin.partition(", document")[0]
        whole = Path(source).read_text()
        assert one.text.strip() and one.text.strip() in whole


def test_the_held_out_documents_add_up_to_the_last_held_out_loss(done: Path) -> None:
    costs = Replay(done).worst()
    total = sum(one.loss * one.targets for one in costs if one.targets) / sum(one.targets for one in costs)
    assert total == pytest.approx(measured(done, "valid_loss")[4], abs=1e-5)


def test_a_run_on_rows_names_examples(done: Path, questions: Path, tmp_path: Path) -> None:
    recipe = tuning(done / "model", questions, save_every_steps=1)
    run(recipe, tmp_path / "tuned")
    costs = Replay(tmp_path / "tuned").step(1)
    assert all(one.origin.startswith("example ") for one in costs)
    assert sum(one.targets for one in costs) == measured(tmp_path / "tuned", "targets")[1]


def test_what_is_not_there_is_one_line(done: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(ConfigError, match="--step: the run has the steps 1 to 4, found 5"):
        Replay(done).step(5)
    with pytest.raises(DataError, match=r"expected a run folder, found no recipe\.json in it"):
        Replay(tmp_path)
    assert command(["why", str(done)]) == 2
    assert "expected --step S, --worst N or both" in capsys.readouterr().err


def test_the_command_prints_a_table(done: Path, capsys: pytest.CaptureFixture) -> None:
    assert command(["why", str(done), "--step", "2", "--worst", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-4] == "losses by the weights after step 1"
    assert lines[-3].split()[:2] == ["where", "nats/target"] and "nats per target" in lines[-1]
