"""RoPE in config.json, in old and new spelling."""

import pytest

import trivium
from trivium.base.errors import ConfigError, ModelError
from trivium.interop.keys import Ours
from trivium.interop.layers import FULL, SLIDING, layer_types
from trivium.interop.rope import SCALINGS, read_rope, rope, rope_by_type, unknown, write_rope
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
        (
            {"rope_scaling": {"rope_type": "ntk"}},
            "rope_scaling: rope_type 'ntk' is not supported; known: default, linear",
        ),
        ({"rope_scaling": {"rope_type": "longrope"}}, "rope_scaling: longrope needs"),
        ({"rope_parameters": {"rope_type": "linear"}}, "rope_parameters: linear needs factor"),
        ({"rope_parameters": {**LLAMA3, "low_freq_factor": None}}, "llama3 needs low_freq_factor"),
        ({"rope_parameters": ["linear"]}, "rope_parameters: expected an object, found"),
        (
            {"rope_parameters": {"full_attention": {}}},
            "rope_parameters: full_attention: expected one RoPE for all layers",
        ),
        ({"partial_rotary_factor": 0.5}, r"partial_rotary_factor: 0\.5"),
    ],
)
def test_what_we_do_not_have_is_named(config: dict, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        read_rope(config)


def test_a_number_that_is_none_is_named() -> None:
    with pytest.raises(ConfigError, match=r"rope_parameters: scaling\S*: .*'big'"):
        read_rope({"rope_parameters": {"rope_type": "linear", "factor": "big"}})


def test_a_part_of_each_head_is_turned_where_the_class_can() -> None:
    half = read_rope({"rope_theta": 9.0, "partial_rotary_factor": 0.5}, partial=True)
    assert (half.theta, half.fraction) == (9.0, 0.5)
    model = trivium.build("llama", layers=1, hidden_size=32, heads=2, vocab_size=64, position=half)
    told = rope(partial=True).write(Ours(model.config, None, "X"))
    assert told["partial_rotary_factor"] == told["rope_parameters"]["partial_rotary_factor"] == 0.5
    assert rope(theta=7.0).read(rope().defaults) == {"*.position": [RoPE(theta=7.0)]}


def test_each_word_of_layer_types_has_its_own() -> None:

    def word(theirs: dict, layer: int) -> str:
        return FULL if layer % 2 else SLIDING

    layers = layer_types(word, {"sliding_window": 4096})
    entry = rope_by_type(word, {FULL: ("rope_theta", 90.0), SLIDING: ("rope_local_base_freq", 5.0)}, scaled={FULL})
    base = {**layers.defaults, **entry.defaults, "num_hidden_layers": 4, "max_position_embeddings": 64}
    assert entry.read(base)["*.position"] == (RoPE(theta=5.0), RoPE(theta=90.0))
    linear = {"rope_type": "linear", "factor": 8.0}
    old = entry.read({**base, "rope_theta": 70.0, "rope_scaling": linear})["*.position"]
    assert old == (RoPE(theta=5.0), RoPE(theta=70.0, scaling={"kind": "linear", "factor": 8.0}))
    new = {FULL: {"rope_theta": 70.0, **linear}, SLIDING: {"rope_theta": 5.0, "rope_type": "default"}}
    assert entry.read({**base, "rope_parameters": new})["*.position"] == old
    model = trivium.build(
        "llama", layers=4, hidden_size=32, heads=2, vocab_size=64, position=old, pattern=layers.read(base)["*.pattern"]
    )
    told = entry.write(Ours(model.config, None, "X"))
    assert told["rope_parameters"] == new and told["rope_scaling"] == linear
    assert (told["rope_theta"], told["rope_local_base_freq"]) == (70.0, 5.0)


def test_the_stock_order_of_tables() -> None:
    """`rope_scaling` stands in place of `rope_parameters`, and a key in the table wins over the same one beside it."""
    new = {"rope_type": "linear", "factor": 3.0, "rope_theta": 5.0}
    both = read_rope(
        {"rope_theta": 7.0, "rope_parameters": new, "rope_scaling": {"rope_type": "linear", "factor": 2.0}}
    )
    assert (both.theta, both.scaling.factor) == (7.0, 2.0)
    assert read_rope({"rope_theta": 7.0, "rope_parameters": new}).theta == 5.0
    beside = {"rope_parameters": LLAMA3, "original_max_position_embeddings": 99, "max_position_embeddings": 512}
    assert read_rope(beside).scaling.original_context == 99
    lengths = {"max_position_embeddings": 512, "original_max_position_embeddings": 128}
    assert read_rope({**lengths, "rope_scaling": {"rope_type": "yarn", "factor": None}}).scaling.factor == 4.0
    assert read_rope({**lengths, "rope_scaling": {"rope_type": "yarn", "factor": 8.0}}).scaling.factor == 8.0


def test_heads_of_an_odd_width_cannot_turn_in_pairs() -> None:
    with pytest.raises(ModelError, match="head_dim: RoPE turns pairs, and 5 numbers"):
        read_rope({"head_dim": 5, "num_attention_heads": 2, "hidden_size": 10})


def test_keys_of_a_table_that_no_scaling_has_are_found() -> None:
    assert unknown({"rope_scaling": {"factor": 1, "strange": 2}, "rope_parameters": None}) == ["rope_scaling.strange"]
    nested = {"rope_parameters": {FULL: {"rope_type": "default", "odd": 1}, SLIDING: None, "even": 2}}
    assert unknown(nested) == ["rope_parameters.even", f"rope_parameters.{FULL}.odd"]
