"""How weights are kept: the numbers of packed matrices, the folder's own dtype, and what is refused."""

from pathlib import Path

import pytest
import torch
from torch import nn

import small
import trivium
from trivium.base.errors import ConfigError, ModelError
from trivium.infer.weights import ENGINE, Int8Linear, PackedLinear, fastest

needs_integers = pytest.mark.skipif(ENGINE not in torch.backends.quantized.supported_engines, reason="no such products")


@needs_integers
def test_a_packed_matrix_has_the_numbers_of_its_definition() -> None:
    torch.manual_seed(0)
    weight, bias, x = torch.randn(24, 40), torch.randn(24), torch.randn(3, 40)
    scale = weight.abs().amax(dim=1, keepdim=True) / 127
    whole = (weight / scale).round() * scale
    torch.backends.quantized.engine = ENGINE
    step = (x.max().clamp(min=0) - x.min().clamp(max=0)) / 255  # inputs: 256 steps from the least to the largest
    zero = (-x.min().clamp(max=0) / step).round()
    rounded = (((x / step).round() + zero).clamp(0, 255) - zero) * step
    found = Int8Linear(weight, bias)(x)
    torch.testing.assert_close(found, rounded @ whole.T + bias, atol=1e-3, rtol=1e-4)


@needs_integers
@pytest.mark.parametrize("preset", ["llama", "gpt2", "t5"])
def test_a_packed_model_says_almost_what_it_said(preset: str, tmp_path: Path) -> None:
    folder = small.folder(tmp_path, preset)
    plain, packed = trivium.load(folder), trivium.load(folder, weights="int8")
    kept = [name for name, one in packed.transformer.named_modules() if type(one) is nn.Linear]
    assert not kept and packed.transformer.head.product is not None
    ids = torch.arange(40, 72)[None]
    given = {"decoder_input_ids": ids} if preset == "t5" else {}
    mine, theirs = packed.logits(ids, **given), plain.logits(ids, **given)
    assert 0 < (mine - theirs).abs().max() < 0.1 * theirs.std() + 0.02
    assert len(packed.generate([5, 6, 7], 4)) == 4
    with pytest.raises(ModelError, match="packed for reading"):
        packed.save(tmp_path / "again")


@pytest.mark.parametrize("preset", ["llama", "gpt2", "t5"])
@pytest.mark.parametrize("large", [0, 1 << 40])
def test_matrices_that_are_kept_in_another_order_say_the_same(
    preset: str, large: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trivium.infer.weights.LARGE", large)
    folder = small.folder(tmp_path, preset)
    plain, kept = trivium.load(folder), trivium.load(folder, weights="fp32")
    found = [name for name, one in kept.transformer.named_modules() if isinstance(one, PackedLinear)]
    assert bool(found) == (large == 0)
    ids = torch.arange(40, 72)[None]
    given = {"decoder_input_ids": ids} if preset == "t5" else {}
    torch.testing.assert_close(kept.logits(ids, **given), plain.logits(ids, **given), atol=1e-4, rtol=1e-4)
    if preset == "llama":  # queries, keys and values are one matrix
        with pytest.raises(ModelError, match="packed for reading"):
            kept.save(tmp_path / "again")


@pytest.mark.parametrize(("own", "kept"), [("float32", "float32"), ("bfloat16", "bfloat16"), ("float16", "float32")])
def test_the_default_is_the_dtype_of_the_folder(own: str, kept: str, tmp_path: Path) -> None:
    made = small.model("llama")
    made.transformer.to(getattr(torch, own))
    folder = made.save(tmp_path / own)
    found = trivium.load(folder, weights="own")
    assert {one.dtype for one in found.transformer.parameters()} == {getattr(torch, kept)}
    assert trivium.load(folder, weights="bf16").transformer.tokens.weight.dtype == torch.bfloat16
    assert trivium.load(folder, weights="fp32").transformer.tokens.weight.dtype == torch.float32


def test_auto_takes_one_of_two_and_says_which(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = small.folder(tmp_path, "llama")
    found = trivium.load(folder, weights="auto").transformer.tokens.weight.dtype
    said = capsys.readouterr().err
    name = {torch.float32: "fp32", torch.bfloat16: "bf16"}[found]
    assert said.startswith(f"weights: {name}; products took") and said.count("\n") == 1
    assert fastest(small.model("llama").transformer) in ("fp32", "bf16")


def test_what_cannot_be_kept_is_told(tmp_path: Path) -> None:
    folder = small.folder(tmp_path, "llama")
    with pytest.raises(ConfigError, match="--weights: expected one of own, fp32, bf16, int8, auto, found 'int4'"):
        trivium.load(folder, weights="int4")
    with pytest.raises(ConfigError, match="exact: expected float32 weights"):
        trivium.load(folder, weights="bf16", exact=True).generate("a", 2)
    with pytest.raises(ConfigError, match="exact: in int8 the rows of a pass share a scale"):
        trivium.load(folder, weights="int8", exact=True).generate("a", 2)
    with pytest.raises(ConfigError, match="exact: beam search has no exact mode"):
        trivium.load(folder, exact=True).generate("a", 2, num_beams=2)
