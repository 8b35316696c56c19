"""SmolLM3ForCausalLM: which layers have RoPE and a window. That the rest is equal: test_stock."""

import pytest

import trivium
from trivium.base.errors import ModelError
from trivium.interop.families import by_type, obstacle

smollm3 = by_type("smollm3")


def test_every_fourth_layer_has_no_positions() -> None:
    config = smollm3.read({"num_hidden_layers": 6})
    assert [config.decoder.kind(layer)[1].kind for layer in range(6)] == [
        "rope",
        "rope",
        "rope",
        "none",
        "rope",
        "rope",
    ]
    assert smollm3.write(config, None)["no_rope_layers"] == [1, 1, 1, 0, 1, 1]
    assert smollm3.read({"num_hidden_layers": 2, "no_rope_layers": [0, 1]}).decoder.position[0].kind == "none"


def test_windows_are_in_layers_without_rope() -> None:
    told = {"num_hidden_layers": 4, "use_sliding_window": True, "sliding_window": 9}
    config = smollm3.read(told)
    assert [config.decoder.kind(layer)[0].kind for layer in range(4)] == ["causal", "causal", "causal", "window"]
    assert smollm3.read({**told, "use_sliding_window": False}).decoder.pattern[0].kind == "causal"


def test_what_either_side_has_not_is_named() -> None:
    small = {"layers": 2, "hidden_size": 32, "heads": 2, "vocab_size": 64}
    config = trivium.build("smollm3", **small, qk_norm="rms").config
    assert obstacle(smollm3, config) == "decoder.qk_norm: rms, SmolLM3ForCausalLM has none"
    with pytest.raises(ModelError, match="rope_type 'ntk' is not supported"):
        smollm3.read({"rope_parameters": {"rope_type": "ntk"}})
