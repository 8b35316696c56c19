import json
import os
import signal

import pytest

import tiny
from crash import faults, full_disk
from trivium.base.config import dump
from trivium.base.errors import ConfigError, TriviumError
from trivium.base.version import FORMAT
from trivium.train.run import EXTENDING, Metrics, open_run

FACTS = {"tokenizer": "abc", "data": "def"}


def enter(folder, recipe, facts=FACTS, resume=False, **options):
    with open_run(folder, recipe, facts, resume, **options):
        pass


def test_a_run_keeps_its_recipe_and_environment(tmp_path):
    recipe = tiny.recipe(seed=5)
    enter(tmp_path / "run", recipe)
    assert json.loads((tmp_path / "run" / "recipe.json").read_text()) == {
        "format": FORMAT,
        "recipe": dump(recipe),
        **FACTS,
    }
    environment = json.loads((tmp_path / "run" / "environment.json").read_text())
    assert {"trivium", "python", "torch", "threads", "processes"} <= set(environment)


def test_a_folder_with_a_run_is_only_resumed(tmp_path):
    enter(tmp_path, tiny.recipe())
    with pytest.raises(TriviumError, match="holds a run already; add --resume"):
        enter(tmp_path, tiny.recipe())
    enter(tmp_path, tiny.recipe(), resume=True)


def test_a_run_that_was_saved_with_the_fields_of_every_loss_is_resumed(tmp_path):
    every = {
        "label_smoothing": 0.1,
        "z_loss": 0.0,
        "temperature": 0.05,
        "beta": 0.1,
        "chunk_rows": tiny.recipe().loss.chunk_rows,
    }
    record = {"recipe": {**dump(tiny.recipe()), "loss": every}, **FACTS}
    (tmp_path / "recipe.json").write_text(json.dumps(record))
    with pytest.raises(ConfigError, match=r"recipe\.loss\.label_smoothing was 0\.1 and is now 0\.0"):
        enter(tmp_path, tiny.recipe(), resume=True)
    enter(tmp_path, tiny.recipe(loss={"label_smoothing": 0.1}), resume=True)


def test_resuming_what_has_not_begun_begins_it(tmp_path):
    enter(tmp_path / "new", tiny.recipe(), resume=True)
    assert (tmp_path / "new" / "recipe.json").is_file()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"optim": {"lr": 0.5}}, r"recipe\.optim\.lr was 0\.01 and is now 0\.5; a resumed run may only lower it"),
        ({"optim": {"weight_decay": 0.0}}, r"recipe\.optim\.weight_decay was 0\.1 and is now 0\.0; .* must not change"),
        ({"seed": 1}, r"recipe\.seed was 0 and is now 1"),
        ({"model": {"decoder": {"layers": 3}}}, r"recipe\.model\.decoder\.layers was 2 and is now 3"),
        ({"schedule": "constant"}, r"recipe\.schedule\."),
    ],
)
def test_a_resumed_run_must_be_the_same(tmp_path, change, message):
    enter(tmp_path, tiny.recipe())
    before = (tmp_path / "recipe.json").read_bytes()
    with pytest.raises(ConfigError, match=message):
        enter(tmp_path, tiny.recipe(**change), resume=True)
    assert (tmp_path / "recipe.json").read_bytes() == before


@pytest.mark.parametrize("key", sorted(FACTS))
def test_a_resumed_run_must_have_the_same_data_and_tokenizer(tmp_path, key):
    enter(tmp_path, tiny.recipe())
    with pytest.raises(ConfigError, match=f"{key} was '{FACTS[key]}' and is now 'other'"):
        enter(tmp_path, tiny.recipe(), {**FACTS, key: "other"}, resume=True)


def test_a_resumed_run_may_go_on_longer_and_write_more(tmp_path):
    enter(tmp_path, tiny.recipe())
    changes = {"budget_tokens": 10**6, **{key: 3 for key in EXTENDING if key.endswith(("steps", "checkpoints"))}}
    changes.pop("budget_steps")
    enter(tmp_path, tiny.recipe(**changes), resume=True)
    assert json.loads((tmp_path / "recipe.json").read_text())["recipe"]["budget_tokens"] == 10**6


def test_a_resumed_run_may_lower_its_rate(tmp_path, capsys):
    enter(tmp_path, tiny.recipe())
    enter(tmp_path, tiny.recipe(optim={"lr": 1e-3}), resume=True)
    assert json.loads((tmp_path / "recipe.json").read_text())["recipe"]["optim"]["lr"] == 1e-3
    assert capsys.readouterr().out == "optim.lr was 0.01 and is now 0.001\n"


def test_checkpoints_without_a_recipe_are_a_run_too(tmp_path):
    (tmp_path / "checkpoints" / "step-00000003").mkdir(parents=True)
    with pytest.raises(TriviumError, match="holds a run already; add --resume"):
        enter(tmp_path, tiny.recipe())
    enter(tmp_path, tiny.recipe(), resume=True)


def test_what_killed_saves_left_is_gone_from_the_start(tmp_path):
    """Whoever has the number of the dead process now: this one, in a container, or another."""
    process, saved = os.getpid(), tmp_path / "checkpoints"
    for left in (saved / f".step-00000004.tmp-{process}", saved / ".step-00000008.tmp-1", tmp_path / ".model.tmp-99"):
        left.mkdir(parents=True)
        (left / "model.safetensors").write_text("half")
    (tmp_path / f".model.old-{process}").mkdir()
    (saved / ".other-thing").write_text("")
    enter(tmp_path, tiny.recipe())
    assert [path.name for path in saved.iterdir()] == [".other-thing"]
    assert (tmp_path / "model").is_dir(), "a model folder that was set aside is back"
    assert not [path for path in tmp_path.iterdir() if "tmp" in path.name or "old" in path.name]


def test_two_runs_never_share_a_folder(tmp_path):
    with open_run(tmp_path, tiny.recipe(), FACTS, False):
        with pytest.raises(TriviumError, match="another run uses this folder"):
            enter(tmp_path, tiny.recipe(), resume=True)
        if (child := os.fork()) == 0:
            try:
                enter(tmp_path, tiny.recipe(), resume=True)
                os._exit(0)
            except TriviumError:
                os._exit(7)
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    enter(tmp_path, tiny.recipe(), resume=True)


def test_a_lock_ends_with_its_process(tmp_path):
    if (child := os.fork()) == 0:
        with open_run(tmp_path, tiny.recipe(), FACTS, False):
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    enter(tmp_path, tiny.recipe(), resume=True)


def test_only_one_of_several_processes_writes(tmp_path):
    enter(tmp_path / "run", tiny.recipe(), writes=False)
    assert not (tmp_path / "run").exists()


def test_a_place_that_cannot_be_a_folder_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(TriviumError, match="file/run: cannot write"):
        enter(tmp_path / "file" / "run", tiny.recipe())


def test_metrics_are_one_object_a_line(tmp_path):
    metrics = Metrics(tmp_path / "m", 0)
    metrics.write(step=1, loss=2.5)
    metrics.write(step=2, loss=float("nan"))
    lines = (tmp_path / "m").read_text().splitlines()
    assert lines == ['{"step": 1, "loss": 2.5}', '{"step": 2, "loss": null}']


def test_a_resumed_run_drops_what_came_after_its_step(tmp_path):
    text = '{"step": 1}\n{"step": 2}\n{"step": 2, "valid_loss": 1}\n{"step": 3}\n{"step": 4, "lo'
    (tmp_path / "m").write_text(text)
    Metrics(tmp_path / "m", 2).write(step=3, again=True)
    assert (tmp_path / "m").read_text() == (
        '{"step": 1}\n{"step": 2}\n{"step": 2, "valid_loss": 1}\n{"step": 3, "again": true}\n'
    )


@pytest.mark.parametrize(
    "bad", [b'{"step": "\xff\xfe"}', b"\xff", b"[1]", b"null", b'{"step": 1e999}', b"9" * 5000, b"[" * 10**5]
)
def test_a_line_that_is_broken_is_dropped_and_told(tmp_path, capsys, bad):
    (tmp_path / "m").write_bytes(b'{"step": 1}\n' + bad + b'\n{"step": 2}\n')
    Metrics(tmp_path / "m", 2)
    assert (tmp_path / "m").read_text() == '{"step": 1}\n{"step": 2}\n'
    assert "m: dropped 1 lines that are not JSON objects with a step" in capsys.readouterr().err


@pytest.mark.parametrize("at", [1, 2])
def test_a_line_that_the_disk_has_no_room_for_is_left_out_whole(tmp_path, capsys, at):
    metrics = Metrics(tmp_path / "m", 0)
    metrics.write(step=1)
    with faults(at, full_disk):
        metrics.write(step=2)
    metrics.write(step=3)
    assert (tmp_path / "m").read_text() == '{"step": 1}\n{"step": 3}\n'
    assert "cannot write: No space left on device; a line of step 2 is left out" in capsys.readouterr().err


def test_other_ranks_write_no_metrics(tmp_path):
    Metrics(tmp_path / "m", 0, enabled=False).write(step=1)
    assert not (tmp_path / "m").exists()


def test_a_run_is_replaced_only_by_force(tmp_path):
    folder = tmp_path / "run"
    enter(folder, tiny.recipe(seed=1))
    (folder / "checkpoints" / "step-00000001").mkdir(parents=True)
    (folder / "notes.txt").write_text("mine")
    enter(folder, tiny.recipe(seed=2), force=True)
    assert json.loads((folder / "recipe.json").read_text())["recipe"]["seed"] == 2
    assert not (folder / "checkpoints").exists() and (folder / "notes.txt").read_text() == "mine"
    with pytest.raises(ConfigError, match="leave one of them out"):
        enter(folder, tiny.recipe(), force=True, resume=True)


def test_a_folder_that_is_no_run_is_left_alone(tmp_path):
    (tmp_path / "manifest.json").touch()
    with pytest.raises(TriviumError, match="exists and is no run folder"):
        enter(tmp_path, tiny.recipe())
    assert [path.name for path in tmp_path.iterdir() if path.name != ".lock"] == ["manifest.json"]
