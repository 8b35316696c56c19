"""RobertaForMaskedLM: which settings of either side the other does not have. That the rest is equal: test_stock."""

import pytest

import trivium
from trivium.base.errors import ModelError
from trivium.interop.families import by_type, obstacle

roberta = by_type("roberta")
SMALL = {"layers": 2, "hidden_size": 32, "heads": 2, "vocab_size": 64}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"residual": "pre"}, "encoder.residual: pre, RobertaForMaskedLM has post"),
        ({"position": "sinusoid"}, "encoder.position.0: sinusoid, RobertaForMaskedLM has learned"),
        ({"position": {"kind": "learned", "offset": 0}}, "encoder.position.offset: 0, RobertaForMaskedLM has 1"),
        ({"head": {"activation": "relu"}}, "head.activation: relu, RobertaForMaskedLM has gelu"),
    ],
)
def test_a_choice_that_the_stock_class_has_not_is_named(changes: dict, reason: str) -> None:
    config = trivium.build("roberta", **{**SMALL, **changes}).config
    told = obstacle(roberta, config)
    assert told is not None and told.startswith(reason), told


@pytest.mark.parametrize(
    ("changes", "message"), [({"add_cross_attention": True}, "add_cross_attention: true is not supported")]
)
def test_a_stock_setting_that_we_do_not_have_is_named(changes: dict, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        roberta.read(changes)
