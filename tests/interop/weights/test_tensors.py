"""Tensors in files, single and sharded."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import trivium
from trivium.base.errors import ModelError
from trivium.interop.weights import tensors
from trivium.model.transformer import Transformer
from trivium.model.weights import collect

CONFIG = trivium.build("llama", layers=2, hidden_size=32, heads=4, vocab_size=101, context=64, tie=True).config


def write(folder: Path, shard_bytes: int = 10**9) -> dict[str, torch.Tensor]:
    state = collect(Transformer(CONFIG))
    tensors.write(folder, state, shard_bytes)
    return state


def equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return set(a) == set(b) and all(torch.equal(a[name], b[name]) for name in a)


def test_one_file(tmp_path: Path) -> None:
    state = write(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["model.safetensors"]
    assert (tmp_path / "model.safetensors").stat().st_mode & 0o077, "readable by those who may read other files"
    assert equal(tensors.read(tmp_path), state)


def test_shards(tmp_path: Path) -> None:
    state = write(tmp_path, shard_bytes=30_000)
    shards = sorted(tmp_path.glob("model-*.safetensors"))
    assert len(shards) > 2 and shards[0].name == f"model-00001-of-{len(shards):05d}.safetensors"
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    assert index["metadata"]["total_size"] == sum(tensor.nbytes for tensor in state.values())
    assert all(key in load_file(tmp_path / name) for key, name in index["weight_map"].items())
    assert equal(tensors.read(tmp_path), state)
    shards[1].unlink()
    with pytest.raises(ModelError, match=f"{shards[1].name}: no such file, but model"):
        tensors.read(tmp_path)


def test_an_index_cannot_point_outside(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write(tmp_path)
    (tmp_path / "in/model.safetensors.index.json").write_text('{"weight_map": {"a": "../model.safetensors"}}')
    with pytest.raises(ModelError, match="expected plain file names"):
        tensors.read(tmp_path / "in")
    (tmp_path / "in/model.safetensors.index.json").write_text("[]")
    with pytest.raises(ModelError, match="expected a weight_map"):
        tensors.read(tmp_path / "in")


def test_whole_numbers_keep_their_type(tmp_path: Path) -> None:
    tensors.write(tmp_path, {"a": torch.ones(2, dtype=torch.int32), "b": torch.ones(2, dtype=torch.float16)}, 10**9)
    state = tensors.read(tmp_path)
    assert (state["a"].dtype, state["b"].dtype) == (torch.int32, torch.float32)
    assert tensors.read(tmp_path, None)["b"].dtype == torch.float16


def test_the_two_lines_that_convert_pickled_weights_do_it(tmp_path: Path) -> None:
    state = {"a": torch.randn(3, 4), "b": torch.randn(4, 3).t()}
    state["tied"] = state["a"]
    torch.save(state, tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelError, match="pickled weights are never read") as refused:
        tensors.read(tmp_path)
    lines = str(refused.value).partition("convert what you trust: ")[2]
    assert subprocess.run([sys.executable, "-c", lines], capture_output=True).returncode == 0
    assert equal(tensors.read(tmp_path), state)
