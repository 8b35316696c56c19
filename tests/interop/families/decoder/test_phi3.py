"""Phi3ForCausalLM: the spellings of its RoPE through the years. That the rest is equal: test_stock."""

import pytest

import trivium
from trivium.base.errors import ModelError
from trivium.interop.families import by_type, difference
from trivium.model.layer.scaling import LongRoPE

phi3 = by_type("phi3")
FACTORS = {"short_factor": [1.0, 1.1], "long_factor": [2.0, 2.1]}
LENGTHS = {"max_position_embeddings": 256, "original_max_position_embeddings": 64}


@pytest.mark.parametrize("name", ["su", "yarn", "longrope"])
def test_a_long_context_has_had_three_names(name: str) -> None:
    found = phi3.read({**LENGTHS, "rope_scaling": {"type": name, **FACTORS}}).decoder.position[0].scaling
    assert found == LongRoPE(factor=4.0, original_context=64, short_factor=(1.0, 1.1), long_factor=(2.0, 2.1))
    assert (
        phi3.read({"max_position_embeddings": 8192, "rope_scaling": {"type": name, **FACTORS}})
        .decoder.position[0]
        .scaling.original_context
        == 4096
    ), "as in the stock class"


def test_version_4_is_told_three_keys_where_they_say_all() -> None:
    for changes, count in (({}, 3), ({"attention_factor": 1.5}, 5)):
        scaling = LongRoPE(factor=4.0, original_context=64, short_factor=(1.0,) * 4, long_factor=(2.0,) * 4)
        rope = {"kind": "rope", "fraction": 0.5, "scaling": scaling.replace(**changes)}
        config = trivium.build("phi3", depth=1, vocab_size=64, context=256, heads=4, position=rope).config
        told = phi3.write(config, None)
        assert len(told["rope_scaling"]) == count and told["original_max_position_embeddings"] == 64
        assert difference(phi3.read(told), config) is None


def test_another_kind_is_refused_as_in_stock() -> None:
    with pytest.raises(ModelError, match="rope_scaling: rope_type 'linear' is not supported; known: default, longrope"):
        phi3.read({"rope_scaling": {"type": "linear", "factor": 2.0}})
