"""T5ForConditionalGeneration: which settings of either side the other lacks. That the rest is equal: test_stock."""

import pytest

from carried import reason_against
from trivium.base.errors import ModelError
from trivium.interop.families import by_type

t5 = by_type("t5")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"score_scale": 0.5}, "encoder.score_scale: 0.5, T5ForConditionalGeneration has 1.0"),
        ({"position": "alibi"}, "encoder.position.0: alibi, T5ForConditionalGeneration has bucket"),
        ({"position": "bucket"}, "encoder.position.0.bidirectional: False, T5ForConditionalGeneration has True"),
        ({"tie": False}, "head.scale: True, T5ForConditionalGeneration has False with tie = False"),
        ({"bias": True}, "encoder.bias: True, T5ForConditionalGeneration has False"),
        ({"norm": "layer"}, "encoder.norm: layer, T5ForConditionalGeneration has rms"),
        ({"decoder": {"score_scale": 0.5}}, "decoder.score_scale: 0.5, T5ForConditionalGeneration has 1.0"),
        ({"kv_heads": 1}, "encoder.kv_heads: 1, T5ForConditionalGeneration has 2"),
    ],
)
def test_a_choice_that_the_stock_class_has_not_is_named(changes: dict, reason: str) -> None:
    assert reason_against("t5", changes).startswith(reason)


def test_a_stock_setting_that_we_do_not_have_is_named() -> None:
    with pytest.raises(ModelError, match="feed_forward_proj: 'xielu' is not supported"):
        t5.read({"feed_forward_proj": "gated-xielu"})


def test_a_scaled_head_is_told_by_either_spelling() -> None:
    """Version 5 says that scores are not scaled beside a tie that is always true; then the head is one of its own."""
    for told, tie in (({}, True), ({"tie_word_embeddings": False}, False), ({"scale_decoder_outputs": False}, False)):
        config = t5.read({"num_layers": 1, **told})
        assert config.tie == tie and config.head.scale == tie
        assert t5.write(config, None)["tie_word_embeddings"] == tie


@pytest.mark.parametrize(
    ("name", "kind", "activation"),
    [
        ("relu", "mlp", "relu"),
        ("gelu", "mlp", "gelu"),
        ("gelu_new", "mlp", "gelu_tanh"),
        ("gated-gelu", "glu", "gelu_tanh"),
        ("gated-silu", "glu", "silu"),
    ],
)
def test_the_feed_forward_is_one_word(name: str, kind: str, activation: str) -> None:
    config = t5.read({"num_layers": 1, "feed_forward_proj": name})
    assert (config.encoder.ffn.kind, config.decoder.ffn.activation) == (kind, activation)
    assert t5.write(config, None)["feed_forward_proj"] == name
