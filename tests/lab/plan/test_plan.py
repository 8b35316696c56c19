import json

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from planned import recipe
from trivium.base.errors import ConfigError
from trivium.data.loader import Loader
from trivium.lab.plan.plan import lines, plan, tell
from trivium.lab.plan.subject import subject
from trivium.model.transformer import Transformer
from trivium.train.parallel.layout import Parallelism
from trivium.train.step import train_step


@pytest.mark.parametrize("family", ["decoder", "encoder_decoder"])
def test_parameters_and_tokens_are_those_of_the_model_and_its_rows(family):
    made = plan(recipe(family), 1, "h100")
    assert made.parameters == made.trained == sum(one.numel() for one in Transformer(recipe(family).model).parameters())
    found = subject(recipe(family))
    batches = Loader(found.rows, 8, 4, found.pad).step(0)
    assert made.step_tokens == sum(batch.tokens() for batch in batches)


def test_the_flops_of_a_step_are_those_that_pytorch_counts():
    # Its tokens may see all others, as the counter takes it, and the counter knows products alone.
    made = recipe("encoder", "model.kernel=eager")
    found = subject(made)
    model = Transformer(made.model).train()
    batches = Loader(found.rows, 8, 4, found.pad).step(0)
    with FlopCounterMode(display=False) as counter:
        train_step(model, model, made.optim.build(model), batches, 0.0, made, 0, torch.float32)
    assert plan(made, 1, "h100").step_flops == pytest.approx(counter.get_total_flops(), rel=1e-9)


def test_time_and_cost_follow_from_flops_rate_and_price():
    made = plan(recipe("decoder", "budget_steps=1000"), 4, "a100", mfu=0.5, price=2.0, tflops=100)
    assert made.step_seconds == pytest.approx(made.step_flops / (4 * 0.5 * 100e12))
    assert made.hours == pytest.approx(1000 * made.step_seconds / 3600)
    assert made.cost == pytest.approx(made.hours * 4 * 2.0)
    assert made.tokens_per_second == pytest.approx(made.step_tokens / made.step_seconds)


def test_a_rank_without_rows_is_told_and_does_not_make_a_step_shorter():
    many = plan(recipe("decoder"), 64, "h100")
    assert many.idle == 56 and many.step_seconds == pytest.approx(many.step_flops / 8 / (0.4 * 67e12))
    assert any("56 of 64 processes have no row" in line for line in lines(many))


@pytest.mark.slow
def test_the_first_change_that_would_make_it_fit_is_told():
    large = recipe("decoder", "model.decoder.layers=1", "micro_rows=8")
    whole = plan(large, 1, "h100")
    assert not whole.change
    tight = plan(large, 1, "h100", memory=0.9 * whole.memory.peak / 1e9)
    assert tight.change.startswith("micro_rows=")
    assert (
        plan(large.replace(micro_rows=int(tight.change[11:])), 1, "h100", memory=tight.device.memory / 1e9).change == ""
    )
    none = plan(large, 1, "h100", memory=0.001)
    assert none.change.startswith("none: weights, gradients and optimizer states alone are")
    assert "more devices with parallel.shard=0" in none.change


def test_a_split_model_has_a_share_of_its_state_on_each_rank():
    given = recipe("decoder", "micro_rows=1")
    whole = plan(given, 4, "h100")
    pair = plan(given.replace(parallel=Parallelism(shard=2, tensor=2)), 4, "h100")
    for name in ("weights", "optimizer states"):
        assert pair.memory.parts[name] == pytest.approx(whole.memory.parts[name] / 4, abs=1)
    weights = [one.numel() for one in Transformer(given.model).parameters()]
    blocks = [sum(p.numel() for p in one.parameters()) for one in Transformer(given.model).decoder.blocks]
    assert pair.memory.parts["blocks at work"] == (8 * (sum(weights) - sum(blocks)) + 16 * max(blocks)) // 2
    assert "gradient buckets" in whole.memory.parts and "gradient buckets" not in pair.memory.parts
    assert pair.rows == 8 and pair.step_seconds == pytest.approx(whole.step_seconds), "two rows each, or half of four"
    assert any("replicate 1, shard 2, tensor 2" in line for line in lines(pair))
    with pytest.raises(ConfigError, match="do not divide the 4 of this run"):
        plan(given.replace(parallel=Parallelism(shard=3)), 4, "h100")


@pytest.mark.slow
def test_shards_are_a_change_that_makes_a_run_fit():
    given = recipe("decoder", "micro_rows=1", "model.hidden_size=256", "recompute=1", "precision=bf16")
    split = plan(given.replace(parallel=Parallelism(shard=0)), 8, "h100")
    assert plan(given, 8, "h100", memory=1.05 * split.memory.peak / 0.9 / 1e9).change == "parallel.shard=0"


def test_epochs_of_data_that_are_elsewhere_have_no_hours():
    made = plan(recipe("decoder", "budget_epochs=2"), 1, "h100")
    assert made.steps is made.hours is made.cost is None
    assert any(line.startswith("hours           unknown") for line in lines(made))


def test_a_plan_is_one_json_object(capsys):
    tell(plan(recipe("encoder_decoder"), 2, "h100", price=1), True)
    found = json.loads(capsys.readouterr().out)
    assert found["memory"]["peak"] == sum(found["memory"]["parts"].values())
    assert found["device"]["name"] == "h100" and found["processes"] == 2 and found["cost"] > 0


def test_what_is_not_planned_is_an_error():
    with pytest.raises(ConfigError, match="deterministic: the sums of grains are not planned"):
        plan(recipe("decoder", "deterministic=true"))
