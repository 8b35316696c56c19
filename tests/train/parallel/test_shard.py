import pytest
import torch

from ranks import together
from spread import LAYOUTS, PRESETS, alone, fit
from trivium.train.parallel.shard import gather, spread
from trivium.train.parallel.world import World

STEPS = 20


def compared(folder, family, layout, steps=STEPS, **changes):
    """Train a family alone and on a layout: losses, norms and weights are the same."""
    size, given = LAYOUTS[layout]
    wanted = alone(family, folder / "alone", steps, **changes)
    run = lambda ranks: fit(ranks, family, folder / "run", steps, **changes)
    losses, norms, weights = together(size, run, folder / "ranks", 300.0, layout=given)[0]
    print(family, layout, "losses within", max(abs(a / b - 1) for a, b in zip(losses, wanted[0], strict=True)))
    assert losses == pytest.approx(wanted[0], rel=1e-5)
    assert norms == pytest.approx(wanted[1], rel=1e-4), "before clipping"
    assert weights == pytest.approx(wanted[2], abs=1e-4)


def test_a_split_decoder_learns_as_one_process_does(tmp_path):
    compared(tmp_path, "decoder", "fsdp", 4, clip=0.5)


@pytest.mark.slow
@pytest.mark.parametrize("layout", [name for name in LAYOUTS if "tensor" not in name])
@pytest.mark.parametrize("family", PRESETS)
def test_a_split_model_learns_as_one_process_does(tmp_path, family, layout):
    compared(tmp_path, family, layout)


def test_one_process_splits_nothing():
    model = torch.nn.Linear(2, 2)
    assert spread(model, World()) is model and gather(model, model, World()) is model
