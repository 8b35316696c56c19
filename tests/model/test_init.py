"""The table of initial deviations, measured."""

import numpy as np
import pytest
import torch

import tiny
import trivium
from trivium.base.batch import Batch, Stream, collate
from trivium.base.errors import ConfigError
from trivium.base.types import Example
from trivium.model.device import place
from trivium.model.init import Init, MuP, initialise, mark
from trivium.model.presets import PRESETS
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
    side = Stream(ids, torch.arange(12).expand(4, 12), torch.ones_like(ids))
    with torch.no_grad():
        logits = model.logits(model(Batch(side, side, {})))
    assert float(logits.std()) < 1.3


def copying(init: str | dict[str, object], steps: int = 200) -> float:
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


def test_a_decoder_that_begins_by_handing_on_looks_sooner() -> None:
    looking, blind = (copying({"kind": "scaled", "copies": copies}, steps=60) for copies in (True, False))
    assert looking < 1.4 and blind > 2.5, "log(16) = 2.77 is what can be had without looking"


@pytest.mark.parametrize("kv_heads", [4, 2, 1])
def test_cross_attention_that_copies_is_nearly_the_identity(kv_heads: int) -> None:
    sizes = {"hidden_size": 512, "heads": 4, "kv_heads": kv_heads, "vocab_size": 64, "layers": 1}
    cross = trivium.build("bart", init={"kind": "scaled", "copies": True}, **sizes).transformer.decoder.blocks[0].cross
    x = torch.randn(64, 512)
    with torch.no_grad():
        values = cross.v(x).unflatten(-1, (kv_heads, -1)).repeat_interleave(4 // kv_heads, 1).flatten(1)
        out = cross.o(values)
    assert float(torch.cosine_similarity(out, x, dim=-1).min()) > 0.35
    assert float((out * x).mean()) == pytest.approx(1.0, rel=0.1)


def test_a_copy_needs_states_of_the_width_of_the_decoder() -> None:
    for preset in ("gpt2", "bert", "paligemma2"):
        with pytest.raises(ConfigError, match=r"init.copies: expected a decoder with cross-attention"):
            tiny.model(preset, tree={"init": {"kind": "normal", "copies": True}})


def test_an_output_is_known_by_its_mark_and_not_by_its_name() -> None:
    module = torch.nn.ModuleDict({"down": torch.nn.Linear(64, 64), "last": mark(torch.nn.Linear(64, 64), "output")})
    initialise(torch.nn.ModuleDict({"decoder": module}), Init.parse("normal"), 64, {"decoder": 8})
    assert float(module["down"].weight.detach().std()) == pytest.approx(0.02, rel=0.1)
    assert float(module["last"].weight.detach().std()) == pytest.approx(0.02 / 4, rel=0.1)


def scores(preset: str, base_size: int) -> torch.Tensor:
    """The scores of a fresh model of width 32 for some ids."""
    model = tiny.model(preset, tree={"tie": True, "init": MuP(base_size=base_size)}).eval()
    ids = torch.randint(64, (2, 12), generator=torch.Generator().manual_seed(0))
    side = Stream(ids, torch.arange(12).expand(2, 12), torch.ones_like(ids))
    with torch.no_grad():
        return model.logits(model(Batch(side, side, {})))


TIED = [name for name, tree in PRESETS.items() if tree["vocab_size"] and tree.get("head") != "none"]
SCALED = {"t5", "mbart", "marian", "pegasus", "gemma2", "gemma3_text", "paligemma2"}


@pytest.mark.parametrize("preset", sorted({*TIED} - SCALED - {"vit-gpt2", "trocr"}))
def test_the_scores_of_a_tied_head_shrink_with_the_width(preset: str) -> None:
    whole, quarter = scores(preset, 32), scores(preset, 8)
    assert float(whole.std()) > 0.01 and torch.allclose(quarter, whole / 4, atol=1e-6)


@pytest.mark.parametrize("preset", sorted(SCALED))
def test_a_table_that_is_multiplied_by_the_root_of_the_width_is_refused(preset: str) -> None:
    with pytest.raises(ConfigError, match="init: mup has no rule"):
        tiny.model(preset, tree={"init": "mup"})
