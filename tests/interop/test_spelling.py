"""config.json's words for what we choose, in old and new spelling."""

import pytest

import trivium
from trivium.base.errors import ConfigError, ModelError
from trivium.interop.spelling import (
    ACTIVATIONS,
    SCALINGS,
    divides,
    lone,
    read_activation,
    read_rope,
    write_activation,
    write_rope,
)
from trivium.model.layer.position import RoPE
from trivium.model.layer.scaling import Dynamic, Llama3, Scaling

LLAMA3 = {
    "rope_type": "llama3",
    "factor": 4.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}


def test_old_and_new_rope_spelling_are_one() -> None:
    new = read_rope({"rope_parameters": {**LLAMA3, "rope_theta": 5e5}})
    assert new.theta == 5e5 and new.scaling == Llama3(factor=4.0, original_context=16)
    old = {key: value for key, value in LLAMA3.items() if key != "rope_type"}
    assert read_rope({"rope_theta": 500000, "rope_scaling": LLAMA3}) == new
    assert read_rope({"rope_theta": 500000, "rope_scaling": {**old, "type": "llama3"}}) == new
    assert read_rope({"rope_theta": 500000.0}) == RoPE(theta=5e5) != read_rope({}) == RoPE()


@pytest.mark.parametrize("kind", Scaling.kinds)
def test_every_scaling_comes_back(kind: str) -> None:
    rope = RoPE(theta=123.0, scaling=Scaling.parse(kind))
    told = write_rope(rope)
    context = getattr(rope.scaling, "original_context", 64)
    for spelling in ({"rope_parameters"}, {"rope_theta", "rope_scaling"}, set(told)):
        assert read_rope({"max_position_embeddings": context, **{key: told[key] for key in spelling}}) == rope
    assert told["rope_parameters"]["rope_type"] in SCALINGS


def test_an_original_context_that_is_not_given_is_the_context() -> None:
    told = {"max_position_embeddings": 99, "rope_scaling": {"type": "dynamic", "factor": 3.0}}
    assert read_rope(told).scaling == Dynamic(factor=3.0, original_context=99)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"rope_scaling": {"rope_type": "longrope"}}, "rope_type 'longrope' is not supported; known: default, linear"),
        ({"rope_parameters": {"rope_type": "linear"}}, "linear needs factor"),
        ({"rope_parameters": {**LLAMA3, "low_freq_factor": None}}, "llama3 needs low_freq_factor"),
        ({"rope_scaling": {"rope_type": "yarn", "factor": 4.0, "mscale": 1.0}}, "mscale is not supported"),
        ({"partial_rotary_factor": 0.5}, r"partial_rotary_factor: 0\.5"),
    ],
)
def test_what_we_do_not_have_is_named(config: dict, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        read_rope(config)


def test_a_number_that_is_none_is_named() -> None:
    with pytest.raises(ConfigError, match=r"rope_parameters: scaling\S*: .*'big'"):
        read_rope({"rope_parameters": {"rope_type": "linear", "factor": "big"}})


def test_activations() -> None:
    assert all(read_activation(write_activation(ours), "act") == ours for ours in ACTIVATIONS.values())
    assert write_activation("gelu_tanh") == "gelu_new"
    with pytest.raises(ModelError, match="hidden_act: 'mish' is not supported; known: silu"):
        read_activation("mish", "hidden_act")


def test_stacks_that_a_class_has_not_are_named() -> None:
    bert, t5 = (trivium.build(name, depth=1, vocab_size=64).config for name in ("bert", "t5"))
    assert lone(bert, "encoder", "X") is bert.encoder
    for config, said in ((bert, "encoder"), (t5, "encoder_decoder")):
        with pytest.raises(ModelError, match=f"stacks: {said}, X has decoder"):
            lone(config, "decoder", "X")
    wide = trivium.build("llama", layers=1, hidden_size=32, heads=3, head_size=8, vocab_size=64).config
    with pytest.raises(ModelError, match="heads: 3, X needs a divisor of hidden_size 32"):
        divides(wide, lone(wide, "decoder", "X"), "X")
