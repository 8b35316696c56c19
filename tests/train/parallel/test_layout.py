import pytest

import tiny
from trivium.base.errors import ConfigError
from trivium.train.parallel.layout import Parallelism


@pytest.mark.parametrize(
    ("given", "processes", "wanted"),
    [
        ({}, 4, (4, 1, 1)),
        ({"shard": 0}, 4, (1, 4, 1)),
        ({"shard": 2}, 4, (2, 2, 1)),
        ({"tensor": 2}, 4, (2, 1, 2)),
        ({"shard": 0, "tensor": 2}, 8, (1, 4, 2)),
        ({"shard": 2, "tensor": 2}, 8, (2, 2, 2)),
        ({"shard": 0}, 1, (1, 1, 1)),
    ],
)
def test_the_grid_multiplies_to_the_processes(given, processes, wanted):
    grid = Parallelism(**given).grid(processes)
    assert grid == wanted and grid.replicate * grid.shard * grid.tensor == processes
    assert grid.readers == processes // grid.tensor and grid.splits == (grid.shard > 1 or grid.tensor > 1)


@pytest.mark.parametrize("given", [{"shard": 3}, {"tensor": 3}, {"shard": 4, "tensor": 2}, {"shard": 0, "tensor": 8}])
def test_a_layout_that_does_not_divide_is_named(given):
    with pytest.raises(ConfigError, match=r"parallel: shard=\d x tensor=\d is \d processes, which do not divide the 4"):
        Parallelism(**given).grid(4)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("deterministic", {"deterministic": True}),
        ("compile", {"compile": True}),
        ("micro_rows=auto", {"micro_rows": "auto"}),
        ("lora", {"lora": {}, "init": "folder", "model": None}),
    ],
)
def test_what_a_split_model_does_not_do_is_named(name, changes):
    tiny.recipe(**changes)
    with pytest.raises(ConfigError, match=f"{name}: not with a model that is split"):
        tiny.recipe(**changes, parallel={"tensor": 2})
