"""The weights of a folder are those that were written, and finite; what is not says so, and is taken on request."""

import json
from pathlib import Path

import pytest
import torch
import xxhash
from safetensors.torch import load_file, save_file

import trivium
from trivium.base.errors import ModelError, NumericsError
from trivium.base.integrity import verification
from trivium.interop.weights import tensors
from trivium.model.weights import collect
from trivium.token.tokenizer import Tokenizer


def model(tokenizer: Tokenizer | None = None) -> trivium.Model:
    size = tokenizer.size if tokenizer else 101
    made = trivium.build("llama", layers=2, hidden_size=32, heads=4, context=64, vocab_size=size)
    made.tokenizer = tokenizer
    return made


def taken(folder: Path) -> trivium.Model:
    """A folder as it is, whatever its hashes say."""
    with verification(False):
        return trivium.load(folder)


def rewrite(folder: Path, edit) -> None:
    state = load_file(folder / "model.safetensors")
    edit(state)
    save_file(state, folder / "model.safetensors")


def test_the_hashes_of_the_weights_stand_in_the_folder(tmp_path: Path) -> None:
    model().save(tmp_path / "m")
    assert json.loads((tmp_path / "m" / "trivium.json").read_text())["xxh3_128"] == {
        "model.safetensors": xxhash.xxh3_128_hexdigest((tmp_path / "m" / "model.safetensors").read_bytes())
    }
    again = trivium.load(tmp_path / "m")
    assert "xxh3_128" not in again.record, "another save makes its own"
    again.save(tmp_path / "m")  # the note of what was verified is no other thing
    trivium.load(tmp_path / "m")


@pytest.mark.parametrize("cut", [False, True])
def test_a_flipped_bit_of_a_weight_is_found(tmp_path: Path, cut: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensors.write, "__defaults__", (10_000 if cut else 10**9,))
    ours = model()
    ours.save(tmp_path / "m")
    trivium.load(tmp_path / "m")
    *_, last = sorted((tmp_path / "m").glob("*.safetensors"))
    raw = bytearray(last.read_bytes())
    raw[-3] ^= 1
    last.write_bytes(raw)
    with pytest.raises(ModelError, match=rf"{last.name}: changed since trivium wrote it, or damaged; --no-verify"):
        trivium.load(tmp_path / "m")
    found = taken(tmp_path / "m")
    changed = [
        name for name, tensor in collect(found.transformer).items() if not tensor.equal(collect(ours.transformer)[name])
    ]
    assert len(changed) == 1


def test_a_folder_that_stock_tools_saved_again_says_so(tmp_path: Path) -> None:
    tokenizer = Tokenizer.bytes()
    transformers = pytest.importorskip("transformers")
    folder = model(tokenizer=tokenizer).save(tmp_path / "m")
    stock = transformers.AutoModelForCausalLM.from_pretrained(folder)
    with torch.no_grad():
        stock.model.norm.weight.mul_(2)
    stock.save_pretrained(folder)
    with pytest.raises(
        ModelError, match=r"model\.safetensors: changed since trivium wrote it, or damaged; --no-verify"
    ):
        trivium.load(folder)
    ids = torch.randint(tokenizer.size, (2, 30))
    with torch.no_grad():
        wanted = stock(ids).logits
    assert torch.allclose(taken(folder).logits(ids), wanted, atol=1e-4)
    stock.save_pretrained(tmp_path / "other")
    assert torch.allclose(trivium.load(tmp_path / "other").logits(ids), wanted, atol=1e-4), "a folder of theirs is free"


def test_folders_of_before_have_no_hashes(tmp_path: Path) -> None:
    model().save(tmp_path / "m")
    about = json.loads((tmp_path / "m" / "trivium.json").read_text())
    del about["xxh3_128"]
    (tmp_path / "m" / "trivium.json").write_text(json.dumps(about))
    rewrite(tmp_path / "m", lambda state: state["model.norm.weight"].mul_(2))
    assert float(trivium.load(tmp_path / "m").transformer.decoder.norm.weight.mean()) > 1.5


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_neither_written_nor_read_in_silence(tmp_path: Path, bad: float) -> None:
    spoiled = model()
    spoiled.save(tmp_path / "m")
    spoiled.transformer.decoder.norm.weight.data[3] = bad
    with pytest.raises(NumericsError, match=r"the weight decoder\.norm\.weight is not finite.*; nothing was written"):
        spoiled.save(tmp_path / "new")
    assert not (tmp_path / "new").exists()
    rewrite(tmp_path / "m", lambda state: state["model.norm.weight"][3].fill_(bad))
    (tmp_path / "m" / "trivium.json").unlink()  # then it is a folder of another program
    with pytest.raises(
        NumericsError, match=r"m: the weight decoder.* \(1 of 21 weights are not\).*--no-verify"
    ) as told:
        trivium.load(tmp_path / "m")
    assert told.value.exit_code == 4
    assert taken(tmp_path / "m").config.vocab_size == 101
