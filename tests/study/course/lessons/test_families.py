"""Who sees whom, from the definition of each family; the counts by hand."""

import numpy as np

from trivium.study.course.lessons import families


def test_a_real_model_depends_on_what_its_family_may_see():
    read, written = families.READ, families.WRITTEN
    assert np.all(np.array(families.influence("encoder")) == 1)
    assert np.array_equal(families.influence("decoder"), np.tri(read))
    both = np.zeros((read + written, read + written))
    both[:, :read] = 1
    both[read:, read:] = np.tri(written)
    assert np.array_equal(families.influence("encoder_decoder"), both)


def test_the_numbers_are_those_of_a_count_by_hand():
    numbers, width = families.exact(), families.WIDTH
    assert numbers["seen_decoder"] == (6 * 7 / 2) / 36 and numbers["targets_decoder"] == 256
    assert numbers["targets_encoder"] == round(0.3 * 256)
    # Each of the two blocks of a decoder beside an encoder has four matrices of width x width more, and a norm.
    more = 2 * (4 * width**2 + width) + width  # and the second stack its last norm
    assert numbers["parameters_encoder_decoder"] - numbers["parameters_decoder"] == more
