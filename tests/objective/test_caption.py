"""A text about a picture: what is read before it carries no loss, and its end is learned."""

import numpy as np

from trivium.base.types import IGNORE, Patches
from trivium.objective.caption import CaptionObjective

PICTURE = Patches(np.ones((4, 12), np.float32), np.zeros((4, 2), np.int64))


def test_nothing_before_the_text_is_trained():
    made = CaptionObjective().example(PICTURE, [0, 7, 8], [5, 6, 2])
    assert made.dec.tolist() == [0, 7, 8, 5, 6]
    assert made.targets["token"].tolist() == [IGNORE, IGNORE, 5, 6, 2]
    assert made.enc is PICTURE.values and made.places is PICTURE.places and made.prefix == 0


def test_without_a_question_the_first_token_is_learned():
    made = CaptionObjective().example(PICTURE, [0], [5, 2])
    assert made.dec.tolist() == [0, 5] and made.targets["token"].tolist() == [5, 2]


def test_what_stands_before_may_be_a_prefix():
    assert CaptionObjective().example(PICTURE, [9, 9, 9, 9, 1], [5, 2], prefix=True).prefix == 5


def test_only_models_of_pictures_learn_it():
    import pytest

    from trivium.base.errors import ConfigError
    from trivium.objective.objective import Objective

    CaptionObjective().fits("encoder_decoder", pictures=True)
    with pytest.raises(ConfigError, match="caption is not for this model, which reads no pictures"):
        CaptionObjective().fits("encoder_decoder")
    with pytest.raises(ConfigError, match="instruct is not for this model, which reads pictures"):
        Objective.parse("instruct").fits("encoder_decoder", pictures=True)
    for pictures in (False, True):
        Objective.parse("label").fits("encoder", pictures)
