"""Weights in files and in modules."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import trivium
from trivium.base.errors import ModelError
from trivium.interop import weights
from trivium.model.config import ModelConfig
from trivium.model.transformer import Transformer

CONFIG = trivium.build("llama", layers=2, hidden_size=32, heads=4, vocab_size=101, context=64, tie=True).config


def write(folder: Path, shard_bytes: int = 10**9) -> dict[str, torch.Tensor]:
    state = weights.collect(Transformer(CONFIG))
    weights.write(folder, state, shard_bytes)
    return state


def equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return set(a) == set(b) and all(torch.equal(a[name], b[name]) for name in a)


def test_an_empty_transformer_is_filled() -> None:
    """It has no numbers but those that are computed, and what was tied is tied again."""
    full, hollow = Transformer(CONFIG), weights.empty(CONFIG)
    assert all(parameter.is_meta for parameter in hollow.parameters())
    assert not any(buffer.is_meta for buffer in hollow.buffers()) and len(list(hollow.buffers()))
    assert not torch.nn.Linear(2, 2).weight.is_meta, "the hook is gone afterwards"
    state = weights.collect(full)
    assert "head.weight" not in state and set(state) == set(weights.shapes(hollow))
    weights.fill(hollow, state)
    assert equal(weights.collect(hollow), state)
    assert hollow.head.weight is hollow.tokens.weight
    assert torch.equal(hollow.decoder.relative[0].frequency, full.decoder.relative[0].frequency)


def test_an_untied_head_stays_its_own() -> None:
    config = ModelConfig.model_validate(
        {**CONFIG.model_dump(include={"vocab_size", "hidden_size", "context"}), "tie": False, "decoder": CONFIG.decoder}
    )
    hollow = weights.empty(config)
    weights.fill(hollow, weights.collect(Transformer(config)))
    assert hollow.head.weight.data_ptr() != hollow.tokens.weight.data_ptr()


def test_one_file(tmp_path: Path) -> None:
    state = write(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["model.safetensors"]
    assert (tmp_path / "model.safetensors").stat().st_mode & 0o077, "readable by those who may read other files"
    assert equal(weights.read(tmp_path), state)


def test_shards(tmp_path: Path) -> None:
    state = write(tmp_path, shard_bytes=30_000)
    shards = sorted(tmp_path.glob("model-*.safetensors"))
    assert len(shards) > 2 and shards[0].name == f"model-00001-of-{len(shards):05d}.safetensors"
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    assert index["metadata"]["total_size"] == sum(tensor.nbytes for tensor in state.values())
    assert all(key in load_file(tmp_path / name) for key, name in index["weight_map"].items())
    assert equal(weights.read(tmp_path), state)
    shards[1].unlink()
    with pytest.raises(ModelError, match=f"{shards[1].name}: no such file, but model"):
        weights.read(tmp_path)


def test_an_index_cannot_point_outside(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write(tmp_path)
    (tmp_path / "in/model.safetensors.index.json").write_text('{"weight_map": {"a": "../model.safetensors"}}')
    with pytest.raises(ModelError, match="expected plain file names"):
        weights.read(tmp_path / "in")
    (tmp_path / "in/model.safetensors.index.json").write_text("[]")
    with pytest.raises(ModelError, match="expected a weight_map"):
        weights.read(tmp_path / "in")


def test_whole_numbers_keep_their_type(tmp_path: Path) -> None:
    weights.write(tmp_path, {"a": torch.ones(2, dtype=torch.int32), "b": torch.ones(2, dtype=torch.float16)}, 10**9)
    state = weights.read(tmp_path)
    assert (state["a"].dtype, state["b"].dtype) == (torch.int32, torch.float32)
    assert weights.read(tmp_path, None)["b"].dtype == torch.float16
