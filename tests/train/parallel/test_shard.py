import pytest
import torch

from spread import LAYOUTS, PRESETS, compared
from trivium.train.parallel.shard import gather, spread
from trivium.train.parallel.world import World


def test_a_split_decoder_learns_as_one_process_does(tmp_path):
    compared(tmp_path, "decoder", "fsdp", 4, clip=0.5)


@pytest.mark.slow
@pytest.mark.parametrize("layout", [name for name in LAYOUTS if "tensor" not in name])
@pytest.mark.parametrize("family", PRESETS)
def test_a_split_model_learns_as_one_process_does(tmp_path, family, layout):
    compared(tmp_path, family, layout)


OPTIONS = {
    "muon, averages, replay and a guard": {
        "optim": {"kind": "muon", "lr": 3e-3},
        "ema": {"decay": 0.9},
        "replay_every_steps": 2,
        "spikes": {"deviations": 50.0},
    },
    "a late save": {"save_every_steps": 2, "parallel": {"shard": 2, "save_async": True}},
}


@pytest.mark.slow
@pytest.mark.parametrize("option", OPTIONS)
def test_options_do_the_same_on_a_split_model(tmp_path, option):
    compared(tmp_path, "decoder", "fsdp and tensor", 4, **OPTIONS[option])


def test_one_process_splits_nothing():
    model = torch.nn.Linear(2, 2)
    assert spread(model, World()) is model and gather(model, model, World()) is model
