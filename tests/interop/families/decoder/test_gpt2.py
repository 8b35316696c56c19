"""GPT2LMHeadModel: which settings of either side the other does not have. That the rest is equal: test_stock."""

import pytest

from carried import reason_against
from trivium.base.errors import ModelError
from trivium.interop.families import by_type

gpt2 = by_type("gpt2")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"norm": "rms"}, "decoder.norm: rms, GPT2LMHeadModel has layer"),
        ({"norm": {"kind": "layer", "bias": False}}, "decoder.norm.bias: False, GPT2LMHeadModel has True"),
        ({"position": "sinusoid"}, "decoder.position.0: sinusoid, GPT2LMHeadModel has learned"),
        ({"kv_heads": 1}, "decoder.kv_heads: 1, GPT2LMHeadModel has 2"),
        ({"head_size": 8}, "decoder.head_size: 8, GPT2LMHeadModel has 16"),
        ({"ffn": "glu"}, "decoder.ffn: glu, GPT2LMHeadModel has mlp"),
        ({"score_scale": 0.5}, "decoder.score_scale: 0.5, GPT2LMHeadModel has 0.25"),
        ({"bias": False}, "decoder.bias: False, GPT2LMHeadModel has True"),
    ],
)
def test_a_choice_that_the_stock_class_has_not_is_named(changes: dict, reason: str) -> None:
    assert reason_against("gpt2", changes) == reason


def test_second_names_of_keys_win_as_in_stock_and_are_named() -> None:
    config = gpt2.read({"n_head": 12, "num_attention_heads": 8, "hidden_size": 64, "n_embd": 32})
    assert (config.decoder.heads, config.hidden_size) == (8, 64)
    with pytest.raises(ModelError, match=r"^num_attention_heads: "):
        gpt2.read({"n_head": 12, "num_attention_heads": "8"})


@pytest.mark.parametrize("key", ["add_cross_attention", "tie_encoder_decoder"])
def test_a_stock_setting_that_we_do_not_have_is_named(key: str) -> None:
    with pytest.raises(ModelError, match=f"{key}: true is not supported"):
        gpt2.read({key: True})
