"""Steps that are computed twice: a flipped bit is found, and nothing else is."""

import numpy as np
import pytest
import torch

import grains
import tiny
from grains import GrainRun
from ranks import together
from trivium.base.errors import NumericsError
from trivium.train.exact.replay import same_bits
from trivium.train.step import train_step


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return grains.corpus(tmp_path_factory.mktemp("replay"))


def flip(model, rng):
    """Let one bit of one gradient be flipped in the first or the second computation; return the weight and the hook."""
    named = dict(model.named_parameters())
    name = [*named][rng.integers(len(named))]
    passes, at, bit = iter(range(100)), rng.choice([1, 3]), rng.integers(32)  # the last of two passes
    place = rng.integers(named[name].numel())

    def strike(weight):
        if next(passes) == at:
            weight.grad.view(-1).view(torch.int32)[place] ^= int(np.uint32(1 << bit).astype(np.int32))

    return name, named[name].register_post_accumulate_grad_hook(strike)


@pytest.mark.parametrize("count", [10, pytest.param(100, marks=pytest.mark.slow)])
def test_a_flipped_bit_of_a_gradient_is_always_found(data, tmp_path, count):
    """In a plain step of two micro-batches, which is computed twice: any weight, number and bit."""
    run = GrainRun(data, tmp_path, deterministic=False, replay_every_steps=1, clip=0.0)
    run.tree, rng, model = {}, np.random.default_rng(0), run.model()
    batches = tiny.loader(run.rows, 4, 2).step(0)
    found = 0
    for _ in range(count):
        recorder = tiny.Recorder(model)
        name, hook = flip(model, rng)
        with pytest.raises(NumericsError, match=f"step 1: was computed twice, and the gradient of {name} had other"):
            train_step(model, model, recorder, batches, 0.1, run.recipe, 0, torch.float32)
        found += not recorder.seen
        hook.remove()
        model.zero_grad(set_to_none=True)
    assert found == count, "nothing was applied"


@pytest.mark.parametrize("deterministic", [False, True])
def test_without_a_fault_a_run_that_is_checked_has_the_same_bits(data, tmp_path, deterministic):
    plain = GrainRun(data, tmp_path / "plain", deterministic=deterministic)
    checked = GrainRun(data, tmp_path / "checked", deterministic=deterministic, replay_every_steps=2, precision="fp32")
    assert plain.go(steps=2) == checked.go(steps=2)


def test_in_bfloat16_too(data, tmp_path):
    runs = [GrainRun(data, tmp_path / str(n), precision="bf16", replay_every_steps=n) for n in (1, None)]
    assert runs[0].go(steps=1) == runs[1].go(steps=1)


def test_only_each_nth_step_is_computed_twice(data, tmp_path):
    run, calls = GrainRun(data, tmp_path / "run", replay_every_steps=2), []
    model = run.model()
    model.register_forward_hook(lambda module, *_: calls.append(1) if module.training else None)
    run.go(steps=4, model=model)
    assert len(calls) == 8 * (4 + 2)


def test_a_fault_of_one_process_ends_all(data, tmp_path):
    run = GrainRun(data, tmp_path / "run", replay_every_steps=3)

    def act(ranks):
        model, passes = run.model(), iter(range(1000))
        if ranks.rank:
            # the fourth grain of the second pass of step 3
            model.head.weight.register_hook(lambda grad: grad * (1 + 1e-6) if next(passes) == 15 else grad)
        return run.go(ranks, 4, model=model)

    for told in together(2, act, tmp_path / "ranks"):
        assert told.startswith("step 3: was computed twice, and the gradient of tokens.weight had other bits")
    assert not any((tmp_path / "run" / "checkpoints").glob("*3"))


def test_bits_are_compared_not_numbers():
    nan = torch.tensor([float("nan"), 1.0])
    assert same_bits(nan, nan.clone()) and same_bits(None, None) and same_bits(torch.tensor(2.0), torch.tensor(2.0))
    assert not same_bits(torch.tensor([0.0]), torch.tensor([-0.0])) and not same_bits(nan, None)
    assert not same_bits(nan, nan.to(torch.bfloat16))
