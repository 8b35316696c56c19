"""What weights cost is the loss by the logits that are written with, on a text that is named."""

import math
from pathlib import Path

import pytest
import torch

import small
import trivium
from trivium.base.errors import DataError, ModelError
from trivium.corpus.prepare import Preparation, prepare
from trivium.infer.weights import keep
from trivium.task.check import BYTES, bits_per_byte, check, examples
from trivium.task.evaluate import score_folder


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("check") / "a.txt"
    file.write_text("one two three four\nfive six, naïve café\n" * 15)
    return file


@pytest.mark.parametrize("preset", ["llama", "gpt2", "bert", "t5", "bart"])
def test_a_uniform_model_costs_the_log_of_its_vocabulary(preset: str) -> None:
    """Every token of the bytes' tokenizer is one byte."""
    uniform = small.model(preset)
    with torch.no_grad():
        uniform.transformer.head.weight.zero_()
    assert bits_per_byte(uniform, examples(uniform, ["some words " * 20])) == pytest.approx(math.log2(384), abs=1e-4)


def test_the_loss_is_that_of_evaluate(text: Path, tmp_path: Path) -> None:
    prepare([text], tmp_path / "data", Preparation(tokenizer="bytes", valid_share=0.4))
    model = small.noisy(small.model("llama"))
    whole = score_folder(model, tmp_path / "data")
    model.record = {"recipe": {"data": {"path": [str(tmp_path / "data")]}}}
    model.save(tmp_path / "m")
    line = check(tmp_path / "m", trivium.load(tmp_path / "m", weights="bf16"), "bf16")
    assert f"{whole.bits_per_byte:.3f}" in line.split(" in float32")[0].split(", ")[1]
    assert line.endswith(f"bytes of {tmp_path / 'data'}")


@pytest.mark.parametrize("preset", ["llama", "bert", "t5"])
def test_packed_matrices_count_also_that_of_the_head(preset: str, text: Path) -> None:
    model = small.noisy(small.model(preset))
    made = examples(model, [text.read_text()])
    own = bits_per_byte(model, made)
    keep(model.transformer, "int8")
    packed = bits_per_byte(model, made)
    model.transformer.head.product = None
    assert own != packed != bits_per_byte(model, made)


def test_each_source_and_what_has_nothing_to_say(text: Path, tmp_path: Path) -> None:
    small.model("llama").save(tmp_path / "m")
    int8 = trivium.load(tmp_path / "m", weights="int8")
    assert f"on {len(text.read_bytes().strip()):,} bytes of {text}" in check(tmp_path / "m", int8, "int8", text)
    told = check(tmp_path / "m", int8, "int8", "auto")
    assert told.startswith("check: ") and " in int8, " in told and "documents of the embedded corpus" in told
    assert 4096 < int(told.partition(", on ")[2].split()[0].replace(",", "")) <= BYTES
    plain = trivium.load(tmp_path / "m", weights="fp32")
    assert check(tmp_path / "m", plain, "fp32").endswith("there is nothing to compare")
    with pytest.raises(DataError, match="no such file"):
        check(tmp_path / "m", int8, "int8", tmp_path / "none.txt")
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(DataError, match=r"--check: .*empty.txt: expected text, found none"):
        check(tmp_path / "m", int8, "int8", tmp_path / "empty.txt")


def test_a_head_without_a_loss_on_text_is_refused(tmp_path: Path) -> None:
    model = small.model("bert")
    model.equip("classify", ["a", "b"])
    with pytest.raises(ModelError, match="no head over the vocabulary"):
        check(tmp_path, model, "bf16")
