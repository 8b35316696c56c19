"""Objectives of records: which loss they are learned by, and which models can learn them."""

import pytest

from trivium.base.errors import ConfigError
from trivium.objective.objective import Objective

FAMILIES = {
    "label": {"encoder", "decoder", "encoder_decoder"},
    "tag": {"encoder", "decoder"},
    "span": {"encoder", "encoder_decoder"},
    "contrast": {"encoder", "decoder"},
    "prefer": {"decoder"},
}


@pytest.mark.parametrize("kind", sorted(FAMILIES))
def test_an_objective_refuses_the_other_families(kind):
    objective = Objective.parse(kind)
    assert objective.reads == "records" and objective.loss == kind
    for family in ("encoder", "decoder", "encoder_decoder"):
        if family in FAMILIES[kind]:
            objective.fits(family)
        else:
            with pytest.raises(ConfigError, match=f"objective: {kind} is for"):
                objective.fits(family)
