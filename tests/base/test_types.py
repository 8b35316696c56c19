import dataclasses

import numpy as np
import pytest

from trivium.base.types import IGNORE, Document, Example, Message, Segment, Vocabulary


@pytest.mark.parametrize(
    "record", [Document("text", "1"), Message("user", "hi"), Segment((1,), True), Vocabulary(8, 0)]
)
def test_records_are_frozen(record):
    name = dataclasses.fields(record)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(record, name, None)


def test_an_example_is_as_long_as_the_side_its_targets_are_aligned_to():
    short, long = np.zeros(2, int), np.zeros(5, int)
    assert len(Example(dec=long)) == 5
    assert len(Example(enc=short)) == 2
    assert len(Example(enc=short, dec=long)) == 5


def test_ignore_is_the_value_of_the_field():
    assert IGNORE == -100
