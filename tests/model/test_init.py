"""The table of initial deviations, measured."""

import numpy as np
import pytest
import torch

import tiny
import trivium
from trivium.base.batch import collate
from trivium.base.types import Example
from trivium.model.device import place
from trivium.model.init import Init, initialise, mark
from trivium.train.loss.token import TokenLoss

KINDS = [kind() for kind in Init.kinds.values() if kind.__module__.startswith("trivium.")]
D, E = 256, 64
SIZES = {"hidden_size": D, "vocab_size": 512}


def deviations(preset: str, init: Init) -> dict[str, float]:
    model = tiny.model(preset, tree={**SIZES, "tie": False, "init": init})
    return {name: float(p.detach().std()) for name, p in model.named_parameters() if p.dim() > 1}


@pytest.mark.parametrize("config", KINDS, ids=lambda config: config.kind)
def test_every_kind_is_its_row_of_the_table(config: Init) -> None:
    found = deviations("llama", config)
    linear, inner = config.linear(D), 704
    expected = {
        "tokens.weight": config.std,
        "head.weight": config.head(D),
        "decoder.blocks.0.attention.q.weight": linear,
        "decoder.blocks.1.attention.v.weight": linear,
        "decoder.blocks.0.attention.o.weight": config.output(2, D),
        "decoder.blocks.1.ffn.up.weight": linear,
        "decoder.blocks.1.ffn.down.weight": config.output(2, inner),
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=0.05)


def test_the_numbers_of_the_table() -> None:
    normal, scaled, fan_in = (Init.parse(kind) for kind in ("normal", "scaled", "fan_in"))
    assert (normal.linear(64), normal.output(8, 64), normal.head(64)) == (0.02, 0.02 / 4, 0.02)
    assert (scaled.linear(64), scaled.output(8, 64), scaled.head(64)) == (1 / 8, 0.0, 0.0)
    assert (fan_in.std, fan_in.linear(64), fan_in.output(8, 16), fan_in.head(64)) == (1.0, 1 / 8, 1 / 4, 1 / 8)


def test_unscaled_scores_start_as_flat_as_scaled_ones() -> None:
    found = deviations("t5", Init.parse("fan_in"))
    for part in ("encoder.blocks.0.attention", "decoder.blocks.1.cross"):
        assert found[f"{part}.q.weight"] == pytest.approx(D**-0.5 * 128**-0.5, rel=0.05)
        assert found[f"{part}.k.weight"] == pytest.approx(D**-0.5, rel=0.05)
    assert found["encoder.relative.0.table.weight"] == pytest.approx(D**-0.5, rel=0.35)


def test_norms_and_biases_start_as_built() -> None:
    for name, parameter in tiny.model("bert").named_parameters():
        if parameter.dim() == 1:
            assert torch.equal(parameter, torch.full_like(parameter, float("norm" in name and "weight" in name)))


@pytest.mark.parametrize("preset", ["llama", "bert", "t5", "bart", "gemma2"])
def test_a_fresh_model_knows_nothing(preset: str) -> None:
    """Its scores are small, so that the first loss is that of a guess among all."""
    model = tiny.model(preset).eval()
    ids = torch.randint(64, (4, 12))
    from trivium.base.batch import Batch, Stream

    side = Stream(ids, torch.arange(12).expand(4, 12), torch.ones_like(ids))
    with torch.no_grad():
        logits = model.logits(model(Batch(side, side, {})))
    assert float(logits.std()) < 1.3


def copying(init: str, steps: int = 200) -> float:
    """The loss of a small BART that is trained to write down six random symbols of sixteen that its encoder reads."""
    torch.manual_seed(0)
    model = trivium.build("bart", depth=1, hidden_size=64, vocab_size=64, context=16, init=init).transformer.train()
    optimizer, draw, loss = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.95)), np.random.default_rng(0), 0.0
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 2e-3 * min(1.0, (step + 1) / 30)
        texts = draw.integers(8, 24, (32, 6))
        rows = [[Example(enc=ids, dec=np.r_[1, ids[:-1]], targets={"token": ids})] for ids in texts]
        batch = place(collate(rows, pad=0))
        total, losses, _ = TokenLoss()(model.head, model(batch), batch)
        optimizer.zero_grad()
        (total / len(losses)).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        loss = float(total.detach()) / len(losses)
    return loss


def test_with_scaled_weights_a_decoder_soon_looks_at_its_encoder() -> None:
    assert copying("scaled") < 0.5, "log(16) = 2.77 is what can be had without looking"


def test_an_output_is_known_by_its_mark_and_not_by_its_name() -> None:
    module = torch.nn.ModuleDict({"down": torch.nn.Linear(64, 64), "last": mark(torch.nn.Linear(64, 64), "output")})
    initialise(torch.nn.ModuleDict({"decoder": module}), Init.parse("normal"), 64, {"decoder": 8})
    assert float(module["down"].weight.detach().std()) == pytest.approx(0.02, rel=0.1)
    assert float(module["last"].weight.detach().std()) == pytest.approx(0.02 / 4, rel=0.1)
