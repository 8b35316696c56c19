"""Presets: each a set of choices with one size dial, over which any field may be laid."""

import pytest

from trivium.base.config import dump, parse
from trivium.base.errors import ConfigError
from trivium.model.config import ModelConfig
from trivium.model.presets import PRESETS

FAMILY = {
    "bert": "encoder",
    "distilbert": "encoder",
    "eurobert": "encoder",
    "roberta": "encoder",
    "xlm-roberta": "encoder",
    "camembert": "encoder",
    "modernbert": "encoder",
    "siglip_vision_model": "encoder",
    "t5": "encoder_decoder",
    "mt5": "encoder_decoder",
    "t5-v1.1": "encoder_decoder",
    "bart": "encoder_decoder",
    "mbart": "encoder_decoder",
    "marian": "encoder_decoder",
    "pegasus": "encoder_decoder",
    "vit": "encoder",
    "vit-gpt2": "encoder_decoder",
    "trocr": "encoder_decoder",
    "paligemma2": "encoder_decoder",
}


def make(preset: str, **fields) -> ModelConfig:
    return parse(ModelConfig, {"preset": preset, **fields})


@pytest.mark.parametrize("name", PRESETS)
def test_the_dial_sets_layers_heads_and_width(name: str) -> None:
    config = make(name, depth=3)
    assert config.hidden_size == 192 and config.preset == name
    assert {(stack.layers, stack.heads) for stack in config.stacks.values()} == {(3, 3)}
    assert config.family == FAMILY.get(name, "decoder")


@pytest.mark.parametrize("name", PRESETS)
def test_any_field_wins_over_the_dial_and_what_follows_follows(name: str) -> None:
    stack = "encoder" if FAMILY.get(name) == "encoder" else "decoder"
    config = make(name, depth=2, hidden_size=96, **{stack: {"layers": 5}})
    assert config.hidden_size == 96 and getattr(config, stack).layers == 5
    assert getattr(config, stack).attention(96).head_size == 48


@pytest.mark.parametrize("name", PRESETS)
def test_a_dumped_preset_reads_back_the_same(name: str) -> None:
    config = make(name, depth=2)
    assert parse(ModelConfig, dump(config)) == config


def test_what_the_big_models_are() -> None:
    assert make("bert").hidden_size == 768 and make("bert").limit == 512
    assert [position.theta for position in make("modernbert").encoder.position] == [160000.0, 10000.0, 10000.0]
    assert make("t5").decoder.score_scale == 1.0 and make("t5").tie and not make("t5-v1.1").tie
    assert make("gemma2").decoder.softcap == 50.0 and make("gemma2").head.softcap == 30.0
    assert make("llama3").decoder.position[0].scaling.kind == "llama3"
    assert make("qwen3").decoder.qk_norm.kind == "rms" and make("mistral").decoder.pattern[0].size == 4096
    assert make("mbart").embed.scale and make("mbart").encoder.residual.kind == "pre"


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"preset": "lama"}, "unknown preset 'lama'; known: gpt2, llama"),
        ({"preset": "llama", "depth": 0}, "depth: expected a whole number above 0, found 0"),
        ({"preset": "llama", "depth": "big"}, "depth: expected a whole number"),
        ({"preset": "llama", "encoder": {"layer": 1}}, "encoder"),
    ],
)
def test_what_is_wrong_is_told(tree: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse(ModelConfig, tree)
