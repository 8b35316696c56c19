"""RobertaForMaskedLM: which settings of either side the other does not have. That the rest is equal: test_stock."""

import pytest

from carried import reason_against
from trivium.base.errors import ModelError
from trivium.interop.families import by_type

roberta = by_type("roberta")


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
    assert reason_against("roberta", changes).startswith(reason)


def test_a_stock_setting_that_we_do_not_have_is_named() -> None:
    with pytest.raises(ModelError, match="add_cross_attention: true is not supported"):
        roberta.read({"add_cross_attention": True})
