"""Qwen3ForCausalLM: which settings of either side the other does not have. That the rest is equal: test_stock."""

import pytest

from carried import reason_against
from trivium.base.errors import ModelError
from trivium.interop.families import by_type

qwen3 = by_type("qwen3")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"qk_norm": "none"}, "decoder.qk_norm: none, Qwen3ForCausalLM has rms"),
        ({"qk_norm": {"kind": "rms", "eps": 0.5}}, "decoder.qk_norm.eps: 0.5, Qwen3ForCausalLM has 1e-06"),
        (
            {"pattern": [{"kind": "window", "size": 4}, {"kind": "window", "size": 5}]},
            "decoder.pattern.1.size: 5, Qwen3ForCausalLM has 4",
        ),
        ({"pattern": "strided"}, "decoder.pattern.0: strided, Qwen3ForCausalLM has causal"),
        ({"bias": True, "output_bias": False}, "decoder.output_bias: False, Qwen3ForCausalLM has True"),
    ],
)
def test_a_choice_that_the_stock_class_has_not_is_named(changes: dict, reason: str) -> None:
    assert reason_against("qwen3", changes).startswith(reason)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layer_types": ["full_attention"]}, "layer_types: expected 32 of"),
        ({"num_hidden_layers": 1, "layer_types": ["linear_attention"]}, "layer_types: expected 1 of"),
        ({"num_hidden_layers": 1, "layer_types": ["sliding_attention"]}, "sliding_window: needed by layer_types"),
    ],
)
def test_a_stock_setting_that_we_do_not_have_is_named(changes: dict, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        qwen3.read(changes)
