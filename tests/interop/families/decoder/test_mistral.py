"""MistralForCausalLM: which settings of either side the other does not have. That the rest is equal: test_stock."""

import pytest

from carried import reason_against
from trivium.base.errors import ModelError
from trivium.interop.families import by_type

mistral = by_type("mistral")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"pattern": ["causal", {"kind": "window", "size": 4}]},
            "decoder.pattern.1: window, MistralForCausalLM has causal",
        ),
        ({"pattern": "strided"}, "decoder.pattern.0: strided, MistralForCausalLM has causal"),
        ({"norm": "layer"}, "decoder.norm: layer, MistralForCausalLM has rms"),
        ({"bias": True}, "decoder.bias: True, MistralForCausalLM has False"),
        ({"qk_norm": "rms"}, "decoder.qk_norm: rms, MistralForCausalLM has none"),
        ({"ffn": "mlp"}, "decoder.ffn: mlp, MistralForCausalLM has glu"),
        ({"residual": "parallel"}, "decoder.residual: parallel, MistralForCausalLM has pre"),
    ],
)
def test_a_choice_that_the_stock_class_has_not_is_named(changes: dict, reason: str) -> None:
    assert reason_against("mistral", changes).startswith(reason)


def test_a_stock_setting_that_we_do_not_have_is_named() -> None:
    with pytest.raises(ModelError, match="hidden_act: 'xielu' is not supported"):
        mistral.read({"hidden_act": "xielu"})
