"""A family that nobody told us of: one file among the families and one preset, and its folders are read and written."""

import sys

import pytest
import torch

import trivium
from tolerance import close
from trivium.base.config import merge
from trivium.interop import families as package
from trivium.interop.families import decoder as folder
from trivium.model.presets import PRESETS

transformers = pytest.importorskip("transformers", reason="transformers is the oracle of these tests")
transformers.logging.set_verbosity_error()

FAMILY = '''
"""SeedOssForCausalLM: LLaMA with biases on queries, keys and values, and on the output if asked for."""

from trivium.interop.decoder import MLP_BIAS, heir
from trivium.interop.keys import key

FAMILY = heir(
    "SeedOssForCausalLM",
    "seed_oss",
    key("attention_bias", True, "*.bias"),
    key("attention_out_bias", False, "*.output_bias"),
    MLP_BIAS,
    vocab_size=155136,
    intermediate_size=27648,
    head_dim=128,
    max_position_embeddings=524288,
)
'''


PRESET = merge(PRESETS["llama"], {"decoder": {"bias": True, "output_bias": False}})


@pytest.fixture
def seed_oss(tmp_path, monkeypatch):
    """The family and its preset, for one test."""
    (tmp_path / "seed_oss.py").write_text(FAMILY)
    monkeypatch.setattr(folder, "__path__", [*folder.__path__, str(tmp_path)])
    monkeypatch.setitem(PRESETS, "seed_oss", PRESET)
    package.families.cache_clear()
    yield
    package.families.cache_clear()
    sys.modules.pop(f"{folder.__name__}.seed_oss", None)


def test_a_new_family_is_one_file_and_a_preset(seed_oss, tmp_path) -> None:
    config = transformers.SeedOssConfig(
        vocab_size=53,
        hidden_size=24,
        intermediate_size=40,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=6,
        max_position_embeddings=64,
    )
    stock = transformers.SeedOssForCausalLM(config).eval()
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
    assert (
        package.stock(trivium.build("seed_oss", depth=1, vocab_size=64).config)[0].architecture == "SeedOssForCausalLM"
    )
    assert trivium.build("seed_oss", depth=1, vocab_size=64).logits([[1, 2]]).shape == (1, 2, 64)


def test_it_is_gone_again() -> None:
    assert "seed_oss" not in package.families() and "seed_oss" not in PRESETS
