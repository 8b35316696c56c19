"""Copies of matrices in bfloat16: the step is that of autocast, and the masters are all that is kept."""

import pytest
import torch

import tiny
from trivium.model.device import place
from trivium.model.weights import collect
from trivium.train.half import Halves, half_weights
from trivium.train.loop import train
from trivium.train.parallel.world import World
from trivium.train.step import train_step

HALF = torch.bfloat16


class Recorder:
    """An optimizer that keeps gradients and changes nothing."""

    param_groups = ()

    def __init__(self, model):
        self.model, self.seen = model, {}

    def step(self):
        self.seen = {name: p.grad.float() for name, p in self.model.named_parameters() if p.grad is not None}

    def zero_grad(self, set_to_none):
        self.model.zero_grad(set_to_none)


def loader(tmp_path, **options):
    data = tiny.write_corpus(tmp_path / "data", tiny.documents([40, 9, 70, 25, 33, 60]))
    return tiny.loader(tiny.document_rows(data, length=32), step_rows=4, **{"micro_rows": 4, **options})


def gradients(model, batches, copies):
    """The loss and the gradients of one step, with or without copies."""
    recorder, halves = Recorder(model), Halves(model.modules()) if copies else Halves()
    loss = train_step(model, model, recorder, batches, 0.1, tiny.recipe(clip=0.0), 0, HALF, World(), halves).loss
    return loss, recorder.seen


@pytest.mark.parametrize(("preset", "tree"), [("gpt2", {}), ("llama", {}), ("llama", {"tie": True})])
@pytest.mark.parametrize("micro_rows", [4, 2, 1])
def test_a_step_is_that_of_autocast(tmp_path, preset, tree, micro_rows):
    """Of each weight, the tied table too; what is multiplied in bfloat16 has the same numbers in both."""
    batches, model = loader(tmp_path, micro_rows=micro_rows).step(0), tiny.model(preset, tree=tree)
    loss, found = gradients(model, batches, copies=True)
    same, wanted = gradients(model, batches, copies=False)
    assert loss == same and found.keys() == wanted.keys()
    for name, grad in wanted.items():
        assert float((found[name] - grad).norm() / grad.norm()) < 6e-3, name


def test_the_gradient_of_several_passes_is_added_up_in_float32(tmp_path):
    model = tiny.model("gpt2")
    halves, master = Halves(model.modules()), model.decoder.blocks[0].ffn.up.weight
    copy = halves.copies[master]
    for part in (1.0, 2**-10):  # in bfloat16 the sum is 1
        copy.grad = torch.full_like(copy, part)
        halves.collect(only=False)
    assert master.grad.dtype == torch.float32 and bool((master.grad == 1 + 2**-10).all()) and copy.grad is None


def test_tokens_of_a_tied_table_that_occur_often_are_added_up_in_float32():
    """256 gradients of 1 and the matrix's own: in bfloat16 the sum would stop at 256."""
    model = tiny.model("gpt2")
    halves, ids = Halves(model.modules()), torch.full((300,), 7)
    with halves.standing_in():
        model.tokens(ids).sum().backward()
        (model.head.weight * 4.0).sum().backward()
    halves.collect(only=True)
    grad = model.tokens.weight.grad
    assert float(grad[7, 0]) == 304 and float(grad[8, 0]) == 4 and not model.tokens.sparse


def test_a_table_without_a_head_gets_a_whole_gradient():
    model = tiny.model("gpt2")
    halves = Halves(model.modules())
    with halves.standing_in():
        model.tokens(torch.tensor([3])).sum().backward()
    halves.collect(only=True)
    grad = model.tokens.weight.grad
    assert not grad.is_sparse and float(grad.sum()) == 32


@pytest.mark.parametrize("kind", ["adamw", "sgd"])
def test_each_step_is_written_into_the_copies(tmp_path, kind):
    model, recipe = tiny.model(), tiny.recipe()
    optimizer = recipe.optim.build(model) if kind == "adamw" else torch.optim.SGD(model.parameters(), 0.1)
    halves = half_weights(model, optimizer, HALF)
    before = {name: weight.clone() for name, weight in collect(model).items()}
    for step, batches in enumerate(loader(tmp_path).stream(0, 2)):
        train_step(model, model, optimizer, batches, 0.01, recipe, step, HALF, World(), halves)
    assert len(halves.copies) == 2 * 7 + 1  # the matrices of both layers, and the head's
    for master, copy in halves.copies.items():
        assert torch.equal(copy, master.to(HALF)) and master.dtype == torch.float32
    assert all(not torch.equal(before[name], weight) for name, weight in collect(model).items())


def test_outside_a_pass_a_model_has_its_masters_alone(tmp_path):
    model = tiny.model("gpt2")
    halves, names = Halves(model.modules()), dict(model.named_parameters())
    batch = place(loader(tmp_path).step(0)[0])
    with halves.standing_in():
        assert model.head.weight.dtype == HALF and model.tokens.weight.dtype == torch.float32
        with World().autocast(HALF):
            model(batch)
    assert {name: id(p) for name, p in model.named_parameters()} == {name: id(p) for name, p in names.items()}
    with pytest.raises(KeyError), halves.standing_in():
        raise KeyError
    assert model.head.weight is model.tokens.weight


def test_what_is_frozen_stays_frozen():
    model = tiny.model()
    model.requires_grad_(False)
    assert not any(copy.requires_grad for copy in Halves(model.modules()).copies.values())


def test_only_one_process_on_a_cpu_in_bfloat16_has_copies():
    model, optimizer = tiny.model(), torch.optim.SGD([torch.zeros(1)], 0.1)
    assert half_weights(model, optimizer, HALF).copies
    assert not half_weights(model, optimizer, torch.float32).copies
    assert not half_weights(model, optimizer, HALF, World(0, 2)).copies
    assert not half_weights(model, optimizer, HALF, World(device=torch.device("cuda"))).copies


def test_a_resumed_run_in_bfloat16_has_the_same_bits(tmp_path):
    recipe, rows = tiny.recipe(precision="bf16", schedule="constant"), loader(tmp_path, micro_rows=4)
    whole, parts = tiny.model("gpt2"), tiny.model("gpt2", seed=3)
    train(whole, rows, recipe, 4, tmp_path / "whole")
    train(tiny.model("gpt2"), rows, recipe, 2, tmp_path / "parts")
    train(parts, rows, recipe, 4, tmp_path / "parts")
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), parts.parameters(), strict=True))
