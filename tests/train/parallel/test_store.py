import json
import shutil

import pytest
import torch

import spread
import tiny
from ranks import together
from spread import LAYOUTS, alone, fit
from trivium.base.errors import ModelError
from trivium.train.checkpoint import Saver, checkpoints, find, load_checkpoint, save_checkpoint, verify
from trivium.train.parallel import shard, store
from trivium.train.parallel.layout import Parallelism
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
    for turn, layout in enumerate([None, "fsdp", "tensor", "hsdp", None, "fsdp and tensor"], 1):
        losses, _, weights = on(layout, tmp_path, family, run, 2 * turn, ema={"decay": 0.9})
    assert losses == pytest.approx(wanted[0], rel=1e-5) and weights == pytest.approx(wanted[2], abs=1e-4)
    states = [json.loads(path.read_text()) for path in run.glob("checkpoints/*/state.json")]
    assert {state["step"] for state in states} == {10, 12}


def saving(ranks, root, broken, later=True):
    """Save a split model twice, and change it as soon as the first began; the second fails on a rank if `broken`."""
    model = spread.model("decoder")
    shard.spread(model, ranks)
    optimizer = tiny.recipe().optim.build(model)
    saver = Saver(root, keep=1, world=ranks, later=later)
    saver.save(1, model, optimizer, {"facts": {"step": 1}}, final=False)
    with torch.no_grad():
        for one in model.parameters():
            one.add_(1.0)
    for wait in saver.pending:
        wait()
    if broken and ranks.rank == 1:
        store.PartWriter.write_data = lambda *_: 1 / 0
    saver.save(2, model, optimizer, {"facts": {"step": 2}}, final=True)


def test_a_copy_is_saved_while_the_model_goes_on_and_a_part_that_fails_changes_nothing(tmp_path):
    root, layout = tmp_path / "root", Parallelism(shard=2, save_async=True)
    told = together(2, lambda ranks: saving(ranks, root, True), tmp_path / "ranks", layout=layout)
    assert (
        told[0] == told[1] and "step-00000002: cannot write: rank 1: division by zero; nothing was changed" in told[0]
    )
    assert [path.name for path in root.iterdir()] == ["step-00000001"]
    found, fresh = tiny.model(seed=1), spread.model("decoder")
    load_checkpoint(find(root), found, tiny.recipe().optim.build(found))
    assert all(torch.equal(one, other) for one, other in zip(found.parameters(), fresh.parameters(), strict=True))


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    one, other = tiny.model(), tiny.model(layers=1)
    folder = save_checkpoint(tmp_path, 1, one, tiny.recipe().optim.build(one), {"facts": {}}, 1)
    with pytest.raises(ModelError, match=r"unexpected weight 'decoder.blocks.1.*is it another model's"):
        store.read_parts(folder, other, tiny.recipe().optim.build(other))
    wide = tiny.model(heads=4, head_size=4)
    with pytest.raises(ModelError, match=r"attention.q.weight: expected shape \[16, 32\], found \[32, 32\]"):
        store.read_parts(folder, wide, tiny.recipe().optim.build(wide))
