"""Gemma3ForCausalLM: its layers in old and new spelling. That the rest is equal: test_stock."""

import pytest

from carried import reason_against
from trivium.base.errors import ModelError
from trivium.interop.families import by_type

gemma3 = by_type("gemma3_text")


def test_old_and_new_spelling_of_layers_and_rope_are_one() -> None:
    linear = {"rope_type": "linear", "factor": 8.0}
    old = {"num_hidden_layers": 4, "sliding_window_pattern": 2, "rope_theta": 1e6, "rope_scaling": linear}
    words = ["sliding_attention", "full_attention"] * 2
    ropes = {
        "full_attention": {"rope_theta": 1e6, **linear},
        "sliding_attention": {"rope_theta": 1e4, "rope_type": "default"},
    }
    new = {"num_hidden_layers": 4, "layer_types": words, "rope_parameters": ropes}
    config = gemma3.read(old)
    assert config == gemma3.read(new) == gemma3.read(gemma3.write(config, None))
    assert [position.scaling.kind for position in config.decoder.position] == ["none", "linear"]
    told = gemma3.write(config, None)
    assert told["layer_types"] == words and told["rope_scaling"] == linear and told["rope_local_base_freq"] == 1e4


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"softcap": 5.0}, "decoder.softcap: 5.0, Gemma3ForCausalLM has None"),
        ({"qk_norm": "none"}, "decoder.qk_norm: none, Gemma3ForCausalLM has rms"),
        ({"heads": 3, "head_size": 16}, "heads: 3, Gemma3ForCausalLM needs a divisor"),
    ],
)
def test_a_choice_that_the_stock_class_has_not_is_named(changes: dict, reason: str) -> None:
    assert reason_against("gemma3_text", changes).startswith(reason)


def test_a_stock_setting_that_we_do_not_have_is_named() -> None:
    with pytest.raises(ModelError, match="use_bidirectional_attention: true is not supported"):
        gemma3.read({"use_bidirectional_attention": True})
