"""The weights of a folder become a model: sizes are compared first, 8 bits are read by the recipe, others refused."""

import json
import time

import pytest
import torch
from safetensors.torch import load_file, save_file

import trivium
from trivium.base.errors import ModelError
from trivium.interop.weights.stored import blocks, dequantized

SIZES = {"layers": 1, "hidden_size": 256, "heads": 4, "vocab_size": 300, "ffn_size": 300, "context": 64}
FP8 = {"quant_method": "fp8", "weight_block_size": [128, 128], "activation_scheme": "dynamic"}
INT8 = {"quant_method": "bitsandbytes", "load_in_8bit": True, "load_in_4bit": False}


@pytest.fixture
def folder(tmp_path):
    """A LLaMA folder without trivium.json, so that config.json alone describes it."""
    torch.manual_seed(0)
    trivium.build("llama", **SIZES).save(tmp_path / "m")
    (tmp_path / "m" / "trivium.json").unlink()
    return tmp_path / "m"


def change(folder, **keys) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **keys}))


@pytest.mark.parametrize("key", ["vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "head_dim"])
@pytest.mark.parametrize("size", [10_000, 10**9, 10**12, 10**30])
def test_sizes_are_compared_before_anything_has_memory(folder, key: str, size: int) -> None:
    change(folder, **{key: size})
    start = time.monotonic()
    with pytest.raises(
        ModelError, match=r"expected the shape|layers, the files have|no model has|at most|below 2147483648|multiple of"
    ):
        trivium.load(folder)
    assert time.monotonic() - start < 5


def test_a_table_of_positions_is_not_computed_for_a_length_that_the_file_has_not(tmp_path) -> None:
    trivium.build("marian", layers=1, hidden_size=32, heads=2, vocab_size=64, context=16).save(tmp_path)
    (tmp_path / "trivium.json").unlink()
    change(tmp_path, max_position_embeddings=2 * 10**9)
    with pytest.raises(
        ModelError, match=r"embed_positions.weight: expected the shape \[2000000000, 32\] of config.json"
    ):
        trivium.load(tmp_path)


def quantise(folder, way: str) -> dict[str, torch.Tensor]:
    """Store the matrices of the blocks in 8 bits; return what their numbers then are, by the papers' formulas."""
    state = load_file(folder / "model.safetensors")
    plain = dict(state)
    for name in [name for name in state if name.endswith("proj.weight")]:
        weight, lead = state[name], name.removesuffix(".weight")
        rows, columns = weight.shape
        if way == "fp8":
            grid = torch.zeros(-(-rows // 128), -(-columns // 128))
            stored, plain[name] = torch.zeros(rows, columns, dtype=torch.float8_e4m3fn), torch.zeros(rows, columns)
            for i in range(grid.shape[0]):
                for j in range(grid.shape[1]):
                    place = slice(128 * i, 128 * (i + 1)), slice(128 * j, 128 * (j + 1))
                    grid[i, j] = weight[place].abs().max() / 448
                    stored[place] = (weight[place] / grid[i, j]).to(torch.float8_e4m3fn)
                    plain[name][place] = stored[place].float() * grid[i, j]
            state |= {name: stored, f"{lead}.weight_scale_inv": grid}
        else:
            largest = weight.abs().amax(dim=1)
            stored = (weight * 127 / largest[:, None]).round().to(torch.int8)
            plain[name] = stored.float() * largest[:, None] / 127
            state |= {name: stored, f"{lead}.SCB": largest, f"{lead}.weight_format": torch.tensor(0, dtype=torch.uint8)}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    return plain


@pytest.mark.parametrize(("way", "config"), [("fp8", FP8), ("int8", INT8)])
def test_weights_in_8_bits_are_read(folder, way: str, config: dict, capsys) -> None:
    reference = trivium.load(folder)
    plain = quantise(folder, way)
    change(folder, quantization_config=config)
    ours = trivium.load(folder)
    assert "quantization_config: weights in 8 bits are read as torch.float32" in capsys.readouterr().err
    for part, name in (("attention.q", "self_attn.q_proj"), ("ffn.down", "mlp.down_proj")):
        weight = ours.transformer.get_parameter(f"decoder.blocks.0.{part}.weight")
        assert torch.allclose(weight, plain[f"model.layers.0.{name}.weight"], atol=1e-7)
        before = reference.transformer.get_parameter(f"decoder.blocks.0.{part}.weight")
        assert not torch.equal(weight, before) and (weight - before).abs().max() < 0.05 * before.abs().max()
    ours.save(folder.parent / "again")
    assert "quantization_config" not in json.loads((folder.parent / "again" / "config.json").read_text())


def test_blocks_are_those_of_the_stock_library() -> None:
    stock = pytest.importorskip("transformers.integrations.finegrained_fp8", reason="transformers is the oracle")
    weight, grid = torch.randn(256, 384).to(torch.float8_e4m3fn), torch.rand(2, 3)
    wanted = stock.Fp8Dequantize(None)._dequantize_one(weight, grid, torch.float32)
    found = dequantized({"a.weight": weight, "a.weight_scale_inv": grid}, (128, 128), None)
    assert set(found) == {"a.weight"} and torch.equal(found["a.weight"], wanted)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"quant_method": "gptq", "bits": 4}, "quantization_config: gptq is not read"),
        (
            {"quant_method": "bitsandbytes", "load_in_4bit": True},
            "quantization_config: bitsandbytes in 4 bits is not read",
        ),
        ({"quant_method": "fp8", "weight_block_size": [0]}, "weight_block_size: expected two whole numbers"),
        ("awq", "quantization_config: 'awq' is not read"),
    ],
)
def test_another_recipe_is_refused_by_name(folder, config, message: str) -> None:
    change(folder, quantization_config=config)
    with pytest.raises(ModelError, match=message):
        trivium.load(folder)


def test_a_grid_that_does_not_fit_is_named() -> None:
    assert blocks({}) is None and blocks({"quantization_config": None}) is None
    state = {"a.weight": torch.zeros(4, 4).to(torch.float8_e4m3fn), "a.weight_scale_inv": torch.ones(2, 1)}
    with pytest.raises(ModelError, match=r"a.weight: expected factors of blocks of 128 x 128, found \[2, 1\]"):
        dequantized(state, (128, 128), None)
    with pytest.raises(ModelError, match=r"b\.weight: torch\.int8 without"):
        dequantized({"b.weight": torch.zeros(2, 2, dtype=torch.int8)}, (1, 1), None)
