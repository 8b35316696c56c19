"""Grains: one hash of weights and moments for any number of processes and any `micro_rows`."""

import pytest
import torch
from torch import nn

import grains
import tiny
from grains import FAMILIES, GrainRun
from ranks import together
from trivium.base.errors import ConfigError
from trivium.base.seeds import mix
from trivium.data.loader import Loader
from trivium.train.exact import grain
from trivium.train.exact.grain import Grains, grain_rows, words
from trivium.train.parallel.world import World
from trivium.train.step import train_step

FAST = {"decoder": {}, "encoder in bf16": {"precision": "bf16"}, "encoder-decoder": {}}
WIDE = {f"{family} in {name}": {"precision": name} for family in FAMILIES for name in ("fp32", "bf16")} | {
    "two rows a grain": {"grain_rows": 2},
    "six grains of two rows": {"grain_rows": 2, "step_rows": 12},
    "a last step of three rows": {"samples": 27},
    "averages, scored, the best kept": {"ema": {"decay": 0.5}, "keep_best": True, "eval_every_steps": 1, "score": True},
    "muon": {"optim": {"kind": "muon"}},
    "clipped, a part computed again": {"recompute": 0.5, "clip": 0.1},
}
OPTIONS = ("step_rows", "samples", "score")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return grains.corpus(tmp_path_factory.mktemp("grains"))


def hashes(cases, data, folder, ranks, steps):
    """The hashes of each run on this number of processes."""
    found = {}
    for name, changes in cases.items():
        family = next((one for one in reversed(FAMILIES) if name.startswith(one)), "decoder")
        options = {key: changes[key] for key in OPTIONS if key in changes}
        rest = {key: value for key, value in changes.items() if key not in OPTIONS}
        found[name] = GrainRun(data, folder / name.replace(" ", "-"), family, **rest).go(ranks, steps, **options)
    return found


@pytest.mark.parametrize(
    ("cases", "steps"), [(FAST, 1), pytest.param(WIDE, 4, marks=pytest.mark.slow)], ids=["a few", "all"]
)
def test_every_number_of_processes_gives_the_same_bits(data, tmp_path, cases, steps):
    """With dropout: of weights and moments, and of the certificate, which chains data, losses and norms."""
    wanted = hashes(cases, data, tmp_path / "alone", World(), steps)
    assert len({one for one, _ in wanted.values()}) >= len(cases) - 1  # "decoder in fp32" is the usual one
    for size in (2, 4):
        fitting = {name: one for name, one in cases.items() if size == 2 or not name.startswith("six")}
        folder = tmp_path / str(size)
        act = lambda ranks: hashes(fitting, data, folder, ranks, steps)  # noqa: B023
        for found in together(size, act, tmp_path / f"ranks-{size}", seconds=300):
            assert found == {name: wanted[name] for name in fitting}


def test_six_grains_of_three_processes_are_those_of_one(data, tmp_path):
    """Neither three processes nor six grains are a power of two: a branch may lie on two processes."""
    cases = {"six": {"grain_rows": 2, "step_rows": 12}}
    wanted = hashes(cases, data, tmp_path / "alone", World(), 1)
    for size in (2, 3):
        act = lambda ranks: hashes(cases, data, tmp_path / str(size), ranks, 1)  # noqa: B023
        assert together(size, act, tmp_path / f"ranks-{size}") == [wanted] * size


SIZES = [1, pytest.param(2, marks=pytest.mark.slow), pytest.param(4, marks=pytest.mark.slow)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("precision", ["fp32", pytest.param("bf16", marks=pytest.mark.slow)])
def test_a_run_that_was_saved_on_two_goes_on_on_any_number(data, tmp_path, size, precision):
    """In the middle of an epoch, with dropout: the bits and the chain of a run that was never stopped."""
    steps, options = (2, 4), {"precision": precision, "save_every_steps": 1}
    whole, run = (GrainRun(data, tmp_path / name, **options) for name in ("whole", "run"))
    wanted = whole.go(steps=steps[1])
    together(2, lambda ranks: run.go(ranks, steps[0]), tmp_path / "two")
    act = lambda ranks: run.go(ranks, steps[1])
    assert (together(size, act, tmp_path / "ranks") if size > 1 else [act(World())]) == [wanted] * size
    assert run.lines() == whole.lines()


def test_the_gradient_is_that_of_a_plain_step(data):
    run = GrainRun(data, data, precision="fp32")
    run.tree = {}
    plain, found = tiny.Recorder(run.model()), tiny.Recorder(run.model())
    rows = run.loader()
    usual = Loader(run.rows, 8, 3, tiny.MARKED.pad)
    wanted = train_step(plain.module, plain.module, plain, usual.step(0), 0.1, run.recipe, 0, torch.float32)
    made = Grains(1, 8, World())
    step = train_step(found.module, found.module, found, rows.step(0), 0.1, run.recipe, 0, torch.float32, grains=made)
    assert step.loss == pytest.approx(wanted.loss, rel=1e-6) and step.targets == wanted.targets
    assert step.tokens == wanted.tokens and len(step.data) == 64 and not wanted.data
    assert float((found.seen[0] - plain.seen[0]).norm() / plain.seen[0].norm()) < 1e-6


@pytest.mark.parametrize("count", [1, 2, 3, 5, 6, 8, 13])
def test_the_tree_halves_at_powers_of_two(count):
    """The order of the sums, written as brackets."""
    sums = Grains(1, count, World())
    weight = nn.Parameter(torch.zeros(1))
    seen = []

    class Note:
        """Stands in for the sum of two lists of tensors."""

        def __call__(self, left, right):
            seen.append((left[0].item(), right[0].item()))
            for a, b in zip(left, right, strict=True):
                a.add_(b)

    def tree(first, last):
        if last - first == 1:
            return 2.0**first
        middle = first + max(1 << k for k in range(9) if 1 << k < last - first)
        left, right = tree(first, middle), tree(middle, last)
        wanted.append((left, right))
        return left + right

    wanted = []
    total = tree(0, count)
    real, torch._foreach_add_ = torch._foreach_add_, Note()
    try:
        root = sums._branch(lambda at: [torch.tensor([2.0**at])], [weight], 0, count)
    finally:
        torch._foreach_add_ = real
    assert root[0].item() == total == 2.0**count - 1 and seen == wanted


def test_a_weight_that_no_grain_reaches_has_no_gradient(data, tmp_path):
    def act(ranks):
        model = nn.Linear(2, 1)
        model.idle = nn.Parameter(torch.ones(3))
        run = GrainRun(data, tmp_path)
        batches = run.loader(ranks).step(0)

        def back(batch, scale):
            model.weight.grad = torch.full((1, 2), float(batch.tokens()))
            return 1.0

        passed = Grains(1, 8, ranks).passed(back, [*model.parameters()], batches, 0, 0)
        return [model.weight.grad.tolist(), model.bias.grad is None and model.idle.grad is None, passed.tokens]

    one, other = together(2, act, tmp_path / "ranks")
    assert one == other == [[[one[2]] * 2], True, one[2]] and one[2] > 100


def test_dropout_is_that_of_seed_step_and_grain(data):
    run, drawn = GrainRun(data, data), []

    def back(batch, scale):
        drawn.append(torch.rand(1).item())
        return 0.0

    Grains(1, 8, World()).passed(back, [], run.loader().step(0), 5, 3)
    wanted = []
    for number in range(8):
        torch.manual_seed(mix(5, 3, number))
        wanted.append(torch.rand(1).item())
    assert drawn == wanted


def test_a_hash_goes_through_numbers_without_loss():
    digest = bytes(range(224, 256))
    assert b"".join(int(one).to_bytes(4, "little") for one in words(digest)) == digest


def ranks(size):
    """A world that nobody joins."""
    return type("Alone", (World,), {"every": lambda self, values: [*values] * self.size})(0, size)


@pytest.mark.parametrize(
    ("changes", "rows", "size", "message"),
    [
        ({}, 8, 3, "8 grains of 1 rows, which 3 processes cannot share evenly; take a number .* that divides 8"),
        ({"grain_rows": 3}, 12, 3, "has 4 grains of 3 rows, which 3 processes"),
        ({"grain_rows": 9}, 8, 1, "grain_rows: expected at most the 8 rows of a step, found 9"),
        ({"micro_rows": 3}, 16, 1, "micro_rows: expected a multiple of the grain of 2 rows .*, or auto, found 3"),
    ],
)
def test_grains_that_do_not_fit_are_refused(changes, rows, size, message):
    with pytest.raises(ConfigError, match=message):
        grain_rows(grains.recipe(**changes), rows, ranks(size))


@pytest.mark.parametrize(
    ("changes", "rows", "found"),
    [({}, 8, 1), ({"micro_rows": 4}, 13, 2), ({"micro_rows": "auto"}, 24, 3), ({"grain_rows": 1}, 24, 1)],
)
def test_a_grain_is_an_eighth_of_the_rows_of_a_step(changes, rows, found):
    assert grain_rows(grains.recipe(**changes), rows, World()) == found


def test_a_process_with_other_threads_is_named(tmp_path, monkeypatch):
    def act(ranks):
        monkeypatch.setattr(grain.torch, "get_num_threads", lambda: 1 + (ranks.rank == 1))
        return grain_rows(grains.recipe(), 8, ranks)

    for told in together(2, act, tmp_path):
        assert told.startswith("deterministic: process 1 has 2 threads, and process 0 has 1; set OMP_NUM_THREADS")


def test_only_a_cpu_is_deterministic():
    with pytest.raises(ConfigError, match=r"deterministic: needs a CPU, .* found cuda"):
        grain_rows(grains.recipe(), 8, World(device=torch.device("cuda")))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"precision": "auto"}, "deterministic: a clock decides precision"),
        ({"budget_minutes": 3, "schedule": "wsd"}, "deterministic: a clock decides the steps of budget_minutes"),
        ({"deterministic": False, "grain_rows": 2}, "grain_rows: only a deterministic run has grains"),
    ],
)
def test_a_recipe_that_a_clock_decides_is_not_deterministic(changes, message):
    with pytest.raises(ConfigError, match=message):
        grains.recipe(**changes)
