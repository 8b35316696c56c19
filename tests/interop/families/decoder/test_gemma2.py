"""Gemma2ForCausalLM: which settings of either side the other does not have. That the rest is equal: test_stock."""

import pytest

from carried import reason_against
from trivium.base.errors import ModelError
from trivium.interop.families import by_type

gemma2 = by_type("gemma2")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"residual": "pre"}, "decoder.residual: pre, Gemma2ForCausalLM has sandwich"),
        ({"norm": "rms"}, "decoder.norm.offset: 0.0, Gemma2ForCausalLM has 1.0"),
        ({"embed": "tokens"}, "embed.scale: False, Gemma2ForCausalLM has True"),
        ({"score_scale": 0.3}, "decoder.score_scale: 0.3, Gemma2ForCausalLM has"),
        ({"head": "none"}, "head: none, Gemma2ForCausalLM has lm"),
        ({"heads": 3, "head_size": 16}, "heads: 3, Gemma2ForCausalLM needs a divisor"),
    ],
)
def test_a_choice_that_the_stock_class_has_not_is_named(changes: dict, reason: str) -> None:
    assert reason_against("gemma2", changes).startswith(reason)


def test_a_stock_setting_that_we_do_not_have_is_named() -> None:
    with pytest.raises(ModelError, match="use_bidirectional_attention: true is not supported"):
        gemma2.read({"use_bidirectional_attention": True})
