"""A family that nobody told us of: one file among the families and one preset, and its folders are read and written."""

import sys

import pytest
import torch

import trivium
from tolerance import close
from trivium.interop import families as package
from trivium.model.presets import PRESETS

transformers = pytest.importorskip("transformers", reason="transformers is the oracle of these tests")
transformers.logging.set_verbosity_error()

FAMILY = '''
"""Qwen2ForCausalLM: LLaMA with biases on queries, keys and values alone."""

from trivium.interop import decoder

architecture, model_type, prefix = "Qwen2ForCausalLM", "qwen2", "model."


def read(config):
    theirs = {"head_dim": None, "attention_dropout": 0.0, **config}
    return decoder.read(theirs, model_type, "hidden_act", {})


def write(config, vocabulary):
    return decoder.write(config, architecture, model_type, "hidden_act", vocabulary)


def rules(config):
    return [rule for rule in decoder.rules(config) if not rule.theirs.endswith("o_proj.bias")]
'''


def preset() -> dict:
    return {**PRESETS["llama"](), "decoder": {**PRESETS["llama"]()["decoder"], "bias": True, "output_bias": False}}


@pytest.fixture
def qwen2(tmp_path, monkeypatch):
    """The family and its preset, for one test."""
    (tmp_path / "qwen2.py").write_text(FAMILY)
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    monkeypatch.setitem(PRESETS, "qwen2", preset)
    package.families.cache_clear()
    yield
    package.families.cache_clear()
    sys.modules.pop(f"{package.__name__}.qwen2", None)


def test_a_new_family_is_one_file_and_a_preset(qwen2, tmp_path) -> None:
    config = transformers.Qwen2Config(
        vocab_size=53,
        hidden_size=24,
        intermediate_size=40,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
    )
    stock = transformers.Qwen2ForCausalLM(config).eval()
    with torch.no_grad():
        for parameter in stock.parameters():
            parameter.normal_(std=0.3)
    stock.save_pretrained(tmp_path / "theirs")
    ours = trivium.load(tmp_path / "theirs")
    ids = torch.randint(53, (2, 9))
    with torch.no_grad():
        assert close(ours.logits(ids), stock(ids).logits)
    ours.save(tmp_path / "ours")
    again, info = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "ours", output_loading_info=True)
    assert type(again) is type(stock) and not any(info[key] for key in info)
    with torch.no_grad():
        assert torch.equal(again.eval()(ids).logits, stock(ids).logits)
    assert package.stock(trivium.build("qwen2", depth=1, vocab_size=64).config)[0].architecture == "Qwen2ForCausalLM"
    assert trivium.build("qwen2", depth=1, vocab_size=64).logits([[1, 2]]).shape == (1, 2, 64)


def test_it_is_gone_again() -> None:
    assert "qwen2" not in package.families() and "qwen2" not in PRESETS
