import pytest
import torch

import tiny
from trivium.model.weights import finite
from trivium.train.finite import gradient_fault, pass_fault, state_fault
from trivium.train.loss.token import TokenLoss
from trivium.train.parallel.world import World

NAN, INF = float("nan"), float("inf")


@pytest.fixture(scope="module")
def batches():
    return tiny.loader(tiny.example_rows([tiny.example(9, 12, seed=n) for n in range(4)])).step(0)


def look(model, batches, loss=TokenLoss(), precision=torch.float32):
    return pass_fault(model, batches, loss, World(), precision)


@pytest.mark.parametrize("bad", [NAN, INF, -INF])
def test_one_number_is_enough(bad):
    tensor = torch.zeros(3, 1000)
    assert finite(tensor) and finite(torch.tensor([1, 2])) and finite(torch.empty(0))
    tensor[2, 999] = bad
    assert not finite(tensor)


def test_a_sum_that_overflows_is_no_fault():
    assert finite(torch.full((9,), 3e38)) and not finite(torch.tensor([INF, -INF]))


def test_a_sound_model_has_no_fault(batches):
    model = tiny.model("gpt2", dropout=0.5)
    before = torch.get_rng_state()
    assert look(model, batches) == state_fault(model) == gradient_fault(model) == ""
    assert torch.equal(torch.get_rng_state(), before) and all(module.training for module in model.modules())
    assert not any(module._forward_hooks for module in model.modules())


def test_the_first_weight_is_named():
    model = tiny.model("gpt2")
    for name in ("decoder.norm.weight", "decoder.blocks.1.ffn.up.weight"):
        model.get_parameter(name).data.view(-1)[-1] = NAN
    assert state_fault(model) == "the weight decoder.blocks.1.ffn.up.weight"


def test_what_the_optimizer_keeps_is_looked_at_too():
    model = tiny.model("gpt2")
    optimizer = tiny.recipe().optim.build(model)
    for p in model.parameters():
        p.grad = torch.ones_like(p)
    optimizer.step()
    assert state_fault(model, optimizer) == ""
    optimizer.state[model.decoder.norm.bias]["exp_avg_sq"][0] = INF
    assert state_fault(model, optimizer) == "the optimizer's exp_avg_sq of the weight decoder.norm.bias"


def test_the_first_module_is_named_and_the_innermost(batches):
    model = tiny.model("gpt2")
    model.decoder.blocks[0].ffn.up.weight.data.fill_(3e38)
    assert look(model, batches) == "the output of decoder.blocks.0.ffn.up"
    assert not any(module._forward_hooks for module in model.modules())


def test_where_every_output_is_finite_it_is_the_loss(batches):
    assert look(tiny.model(), batches, TokenLoss.model_construct(z_loss=NAN)) == "the loss"


def test_of_gradients_the_nearest_to_the_loss_is_named():
    model = tiny.model("gpt2")
    for name in ("tokens.weight", "decoder.blocks.0.ffn.up.weight"):
        p = model.get_parameter(name)
        p.grad = torch.full_like(p, NAN)
    assert gradient_fault(model) == "the gradient of decoder.blocks.0.ffn.up.weight"
