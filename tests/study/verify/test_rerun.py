"""The steps of a run once more: what is the same, and the name of what is not."""

import json
import shutil

import pytest
import torch

from runs import interrupt, pretraining
from trivium.base.errors import ConfigError, DataError
from trivium.base.process import Interrupted
from trivium.cli import run as command
from trivium.study.verify import rerun as room
from trivium.study.verify.rerun import rerun
from trivium.task.run import run
from trivium.train.exact.certificate import FILE, link

ALL = ["chain", "threads", "version", "processor", "data", "weights"]


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """A run of five steps of four grains, saved after 2 and 4, with dropout, in bfloat16."""
    folder = tmp_path_factory.mktemp("rerun") / "run"
    model = {"preset": "gpt2", "depth": 1, "hidden_size": 16, "vocab_size": 384, "context": 64}
    model["decoder"] = {"dropout": 0.1}
    changes = {"model": model, "precision": "bf16", "save_every_steps": 2, "keep_checkpoints": 9, "budget_steps": 5}
    run(pretraining(data, deterministic=True, **changes), folder)
    return folder


@pytest.fixture
def folder(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "run")


def verdicts(findings):
    return {finding.stage: finding.verdict for finding in findings}


def different(findings):
    return {finding.stage: finding.about for finding in findings if finding.verdict == "different"}


def rewrite(folder, step, chained=True, **changes):
    """Change a line of the certificate, and where it is `chained` all hashes after it, as a forger would."""
    lines, before = [json.loads(line) for line in (folder / FILE).read_text().splitlines()], ""
    for line in lines:
        line.update(changes if line["step"] == step else {})
        if chained:
            line["chain"] = before = link(before, {key: value for key, value in line.items() if key != "chain"})
    (folder / FILE).write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.mark.parametrize(("step", "start"), [(1, "the start"), (4, "checkpoint 2"), (5, "checkpoint 4")])
def test_a_run_is_that_of_its_certificate(trained, step, start, capsys):
    findings = rerun(trained, step)
    assert verdicts(findings) == dict.fromkeys(ALL, "same")
    assert findings[-1].about.endswith(f"to {step}, from {start}")
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[-6:]] == ALL


def test_other_data_are_named(folder):
    """As if a document had been another one: the data of step 3 are the first of another hash."""
    rewrite(folder, 3, data="0" * 64)
    assert list(different(rerun(folder, 4))) == ["data"]
    assert different(rerun(folder, 4))["data"].startswith("step 3: data 000")
    assert not different(rerun(folder, 5)), "it begins after step 4"


def test_another_seed_is_other_data_and_other_weights(folder):
    recipe = json.loads((folder / "recipe.json").read_text())
    recipe["recipe"]["seed"] = 1
    (folder / "recipe.json").write_text(json.dumps(recipe))
    found = different(rerun(folder, 2))
    assert list(found) == ["data", "weights"]
    assert found["data"].startswith("step 1: data") and found["weights"].startswith("step 0: weights")


def test_other_weights_are_named(folder):
    rewrite(folder, 3, norm=0.5)
    assert list(different(rerun(folder, 4))) == ["weights"]
    assert different(rerun(folder, 4))["weights"].startswith("step 3: norm 0.5 in the certificate, ")


def test_a_checkpoint_that_is_not_the_runs_own_is_named(folder):
    """Its own hashes are right; it is the checkpoint of another step."""
    shutil.rmtree(folder / "checkpoints" / "step-00000004")
    shutil.copytree(folder / "checkpoints" / "step-00000002", folder / "checkpoints" / "step-00000004")
    assert different(rerun(folder, 5))["weights"].startswith("step 4: weights ")


def test_a_run_that_was_stopped_and_skipped_spikes_is_that_of_its_certificate(data, tmp_path, monkeypatch):
    """The checkpoint of a stop has no hash of weights in its line; the spread of losses is part of it."""
    guard = {"deviations": 1e-6, "memory_steps": 2}
    recipe = pretraining(data, deterministic=True, budget_steps=6, save_every_steps=9, eval_every_steps=9, spikes=guard)
    with monkeypatch.context() as patch:
        interrupt(patch, at=4)
        with pytest.raises(Interrupted):
            run(recipe, tmp_path / "run")
    run(recipe, tmp_path / "run", resume=True)
    lines = [json.loads(line) for line in (tmp_path / "run" / FILE).read_text().splitlines()]
    assert len([line for line in lines if "weights" in line]) == 2
    findings = rerun(tmp_path / "run", 6)
    assert not different(findings) and "from checkpoint" in findings[-1].about
    result = json.loads((tmp_path / "run" / "model" / "trivium.json").read_text())["result"]
    assert result["skipped"]


def test_a_damaged_checkpoint_is_passed_over(folder):
    (folder / "checkpoints" / "step-00000004" / "optim.safetensors").write_bytes(b"")
    findings = rerun(folder, 5)
    assert not different(findings) and findings[-1].about == "steps 3 to 5, from checkpoint 2"
    shutil.rmtree(folder / "checkpoints")
    assert rerun(folder, 2)[-1].about == "steps 1 to 2, from the start"


def test_a_line_that_was_changed_alone_breaks_the_chain(folder):
    rewrite(folder, 1, chained=False, loss=1.0)
    assert different(rerun(folder, 4))["chain"] == "the line of step 1 is not the one that its hash is of"


def test_a_line_that_is_missing_breaks_the_chain(folder):
    lines = (folder / FILE).read_text().splitlines(keepends=True)
    (folder / FILE).write_text("".join(lines[:2] + lines[3:]))
    assert different(rerun(folder, 4))["chain"] == "the line of step 2 is missing"


def test_other_threads_and_another_version_are_named(trained, monkeypatch):
    own = room.machine()
    monkeypatch.setattr(room, "machine", lambda: {**own, "threads": 3, "torch": "9.9"})
    found = different(rerun(trained, 1))
    assert found["threads"] == f"step 0 had threads {own['threads']}, here 3; set OMP_NUM_THREADS={own['threads']}"
    assert found["version"] == f"step 0 had torch {torch.__version__}, here 9.9"


def test_a_step_that_it_has_not_and_a_run_without_one(trained, pretrained_run):
    with pytest.raises(ConfigError, match=r"--step: the certificate of .* has the steps 1 to 5, found 6"):
        rerun(trained, 6)
    with pytest.raises(DataError, match="only a run with deterministic=true has a certificate"):
        rerun(pretrained_run, 1)


@pytest.fixture
def pretrained_run(data, tmp_path):
    run(pretraining(data, budget_steps=1), tmp_path / "plain")
    return tmp_path / "plain"


def test_the_command_says_it_by_its_exit_code(folder, capsys):
    assert command(["verify", str(folder), "--step", "4"]) == 0
    rewrite(folder, 4, loss=2.0)
    assert command(["verify", str(folder), "--step", "4"]) == 1
    assert "weights                  different  step 4: loss 2.0 in the certificate" in capsys.readouterr().out
    assert command(["verify", str(folder), "--step", "4", "--count", "2"]) == 2
    assert "--count: is for models, and --step is for runs" in capsys.readouterr().err
