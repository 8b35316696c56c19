"""LlamaForCausalLM: which settings of either side the other does not have. That the rest is equal: test_stock."""

import pytest

from carried import reason_against
from trivium.base.errors import ModelError
from trivium.interop.families import by_type

llama = by_type("llama")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"norm": "layer"}, "decoder.norm: layer, LlamaForCausalLM has rms"),
        ({"norm": {"kind": "rms", "offset": 1.0}}, "decoder.norm.offset: 1.0, LlamaForCausalLM has 0.0"),
        ({"pattern": "window"}, "decoder.pattern.0: window, LlamaForCausalLM has causal"),
        ({"pattern": ["causal", "window"]}, "decoder.pattern.1: window, LlamaForCausalLM has causal"),
        ({"position": "none"}, "decoder.position.0: none, LlamaForCausalLM has rope"),
        ({"position": {"kind": "rope", "fraction": 0.5}}, "decoder.position.0.fraction: 0.5"),
        ({"residual": "post"}, "decoder.residual: post, LlamaForCausalLM has pre"),
        ({"qk_norm": "rms"}, "decoder.qk_norm: rms, LlamaForCausalLM has none"),
        ({"ffn": "mlp"}, "decoder.ffn: mlp, LlamaForCausalLM has glu"),
        ({"bias": True, "output_bias": False}, "decoder.output_bias: False, LlamaForCausalLM has True"),
        ({"softcap": 30.0}, "decoder.softcap: 30.0, LlamaForCausalLM has None"),
        ({"score_scale": 1.0}, "decoder.score_scale: 1.0, LlamaForCausalLM has"),
        ({"head": {"kind": "lm", "bias": True}}, "head.bias: True, LlamaForCausalLM has False"),
        ({"hidden_size": 100, "heads": 3, "head_size": 32}, "heads: 3, LlamaForCausalLM needs a divisor"),
    ],
)
def test_a_choice_that_the_stock_class_has_not_is_named(changes: dict, reason: str) -> None:
    assert reason_against("llama", changes).startswith(reason)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden_act": "xielu"}, "hidden_act: 'xielu' is not supported"),
        ({"rope_scaling": {"rope_type": "ntk"}}, "rope_type 'ntk' is not supported"),
        ({"partial_rotary_factor": 0.5}, "partial_rotary_factor: 0.5"),
    ],
)
def test_a_stock_setting_that_we_do_not_have_is_named(changes: dict, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        llama.read(changes)


def test_control_ids_come_from_the_tokenizer_alone() -> None:
    config = llama.read({"num_hidden_layers": 1})
    assert [llama.write(config, None)[f"{name}_token_id"] for name in ("bos", "eos", "pad")] == [None] * 3
