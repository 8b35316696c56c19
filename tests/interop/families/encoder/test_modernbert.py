"""ModernBertForMaskedLM: which settings of either side the other does not have. That the rest is equal: test_stock."""

import pytest

from carried import reason_against
from trivium.base.errors import ModelError
from trivium.interop.families import by_type

modernbert = by_type("modernbert")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"residual": "pre"}, "encoder.residual.first: True, ModernBertForMaskedLM has False"),
        (
            {"pattern": [{"kind": "window", "size": 4}], "position": "rope"},
            "encoder.pattern.0.both: False, ModernBertForMaskedLM has True",
        ),
        ({"pattern": "causal"}, "encoder.pattern.0: causal, ModernBertForMaskedLM has full"),
        ({"position": "learned"}, "encoder.position.0: learned, ModernBertForMaskedLM has rope"),
        (
            {"position": [{"kind": "rope", "theta": 5.0}, {"kind": "rope", "theta": 6.0}], "pattern": "full"},
            "encoder.position.1.theta: 6.0, ModernBertForMaskedLM has 5.0",
        ),
        ({"embed": "tokens"}, "embed.norm: none, ModernBertForMaskedLM has layer"),
        ({"kv_heads": 1}, "encoder.kv_heads: 1, ModernBertForMaskedLM has 2"),
        ({"norm": {"kind": "layer", "bias": True}}, "embed.norm.bias: False, ModernBertForMaskedLM has True"),
    ],
)
def test_a_choice_that_the_stock_class_has_not_is_named(changes: dict, reason: str) -> None:
    assert reason_against("modernbert", changes).startswith(reason)


def test_a_stock_setting_that_we_do_not_have_is_named() -> None:
    with pytest.raises(ModelError, match="rope_type 'ntk' is not supported"):
        modernbert.read({"rope_parameters": {"full_attention": {"rope_type": "ntk"}}})

    with pytest.raises(ModelError, match=r"rope_scaling: type 'linear': versions 4 and 5 disagree"):
        modernbert.read({"rope_scaling": {"type": "linear", "factor": 2.0}})


def test_old_and_new_spelling_of_layers_and_rope_are_one() -> None:
    words = ["full_attention", "sliding_attention", "sliding_attention", "full_attention"]
    theta = {word: {"rope_type": "default", "rope_theta": float(n + 5)} for n, word in enumerate(dict.fromkeys(words))}
    new = modernbert.read({"num_hidden_layers": 4, "layer_types": words, "rope_parameters": theta})
    old = {"num_hidden_layers": 4, "global_attn_every_n_layers": 3, "global_rope_theta": 5, "local_rope_theta": 6}
    assert modernbert.read(old) == new
    tree = modernbert.write(new, None)
    assert tree["layer_types"] == words and tree["global_attn_every_n_layers"] == 3
    assert (tree["global_rope_theta"], tree["local_rope_theta"], tree["local_attention"]) == (5.0, 6.0, 128)
