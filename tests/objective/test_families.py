"""Which objective goes with which family of models."""

import pytest

from trivium.base.errors import ConfigError
from trivium.objective.objective import Objective

FITS = {
    "causal": "decoder",
    "prefix": "decoder",
    "masked": "encoder",
    "denoise": "encoder_decoder",
    "infill": "encoder_decoder",
}


@pytest.mark.parametrize("kind", Objective.kinds)
@pytest.mark.parametrize("family", ["encoder", "decoder", "encoder_decoder"])
def test_an_objective_takes_its_own_family_alone(kind: str, family: str) -> None:
    objective = Objective.parse(kind)
    if kind not in FITS:
        assert objective.families
    elif family == FITS[kind]:
        objective.fits(family)
    else:
        with pytest.raises(ConfigError, match=f"{kind} is for {FITS[kind]} models"):
            objective.fits(family)


def test_answers_are_learned_by_whoever_writes() -> None:
    for family in ("decoder", "encoder_decoder"):
        Objective.parse("instruct").fits(family)
    with pytest.raises(ConfigError, match="instruct is for decoder or encoder_decoder models"):
        Objective.parse("instruct").fits("encoder")


def test_span_corruption_is_for_decoders_too() -> None:
    objective = Objective.parse({"kind": "denoise", "decoder": True})
    objective.fits("decoder")
    with pytest.raises(ConfigError):
        objective.fits("encoder_decoder")
