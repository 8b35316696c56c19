"""MistralForCausalLM: which settings of either side the other does not have. That the rest is equal: test_stock."""

import pytest

import trivium
from trivium.base.errors import ModelError
from trivium.interop.families import by_type, obstacle

mistral = by_type("mistral")
SMALL = {"layers": 2, "hidden_size": 32, "heads": 2, "vocab_size": 64}


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
    config = trivium.build("mistral", **{**SMALL, **changes}).config
    told = obstacle(mistral, config)
    assert told is not None and told.startswith(reason), told


@pytest.mark.parametrize(("changes", "message"), [({"hidden_act": "xielu"}, "hidden_act: 'xielu' is not supported")])
def test_a_stock_setting_that_we_do_not_have_is_named(changes: dict, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        mistral.read(changes)
