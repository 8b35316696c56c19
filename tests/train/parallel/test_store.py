import json
import shutil

import pytest

from ranks import together
from spread import LAYOUTS, alone, fit
from trivium.base.errors import ModelError
from trivium.train.checkpoint import checkpoints, find, verify
from trivium.train.parallel.world import World

EVERY = {"save_every_steps": 2}


def on(layout, folder, family, run, steps, **changes):
    """The losses of a run that goes on to a step on a layout; on none it is alone."""
    if layout is None:
        return fit(World(), family, run, steps, **EVERY, **changes)
    size, given = LAYOUTS[layout]
    act = lambda ranks: fit(ranks, family, run, steps, **EVERY, **changes)
    return together(size, act, folder / f"{layout}-{steps}", 300.0, layout=given)[0]


def test_a_run_goes_on_from_parts_alone_and_split_from_a_whole(tmp_path):
    wanted = alone("decoder", tmp_path / "whole", 6)
    run = tmp_path / "run"
    on(None, tmp_path, "decoder", run, 2)
    on("fsdp", tmp_path, "decoder", run, 4)
    saved = run / "checkpoints" / "step-00000004"
    names = {path.name for path in saved.iterdir()}
    assert names == {
        *(f"shard-0000{n}-model-00001-of-00001.safetensors" for n in (1, 2)),
        "state.json",
        "manifest.json",
    }
    losses, _, weights = on(None, tmp_path, "decoder", run, 6)
    assert losses == pytest.approx(wanted[0], rel=1e-5) and weights == pytest.approx(wanted[2], abs=1e-5)
    assert set(checkpoints(run / "checkpoints")) == {4, 6}

    shutil.rmtree(run / "checkpoints" / "step-00000006")
    part = next(saved.glob("shard-00002*"))
    part.unlink()
    with pytest.raises(ModelError, match=r"shard-00002.*missing or damaged"):
        verify(saved)
    with pytest.raises(ModelError, match="no valid checkpoint is left"):
        find(run / "checkpoints")


@pytest.mark.slow
@pytest.mark.parametrize("family", ["decoder", "encoder", "encoder_decoder"])
def test_a_run_goes_on_with_another_layout(tmp_path, family):
    wanted = alone(family, tmp_path / "whole", 12, ema={"decay": 0.9})
    run = tmp_path / "run"
    for turn, layout in enumerate([None, "fsdp", "hsdp", None, "fsdp of 4", None], 1):
        losses, _, weights = on(layout, tmp_path, family, run, 2 * turn, ema={"decay": 0.9})
    assert losses == pytest.approx(wanted[0], rel=1e-5) and weights == pytest.approx(wanted[2], abs=1e-4)
    states = [json.loads(path.read_text()) for path in run.glob("checkpoints/*/state.json")]
    assert {state["step"] for state in states} == {10, 12}
