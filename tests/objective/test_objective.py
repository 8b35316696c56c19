import numpy as np
import pytest

from trivium.base.seeds import generator
from trivium.base.types import IGNORE, Segment, Vocabulary
from trivium.objective.objective import Objective, aligned

ENDS = np.arange(32) == 9
VOCABULARY = Vocabulary(size=32, pad=0, bos=1, eos=2, mask=3, sentinels=(30, 31), sentence_end=ENDS, word_start=ENDS)


def test_a_position_is_aligned_with_the_id_after_it():
    assert aligned(np.array([5, 6, 7]), 8).tolist() == [6, 7, 8]
    assert aligned(np.array([5, 6, 7]), None).tolist() == [6, 7, -100]
    assert aligned(np.array([5]), None).tolist() == [-100]


def test_an_id_of_zero_may_follow():
    assert aligned(np.array([5]), 0).tolist() == [0]


def test_by_default_an_objective_frames_nothing_and_keeps_lengths():
    objective = Objective.parse("instruct")
    assert objective.frame(VOCABULARY) == ((), ()) and objective.room(512) == 512


@pytest.mark.parametrize("kind", sorted(k for k, v in Objective.kinds.items() if v.reads != "records"))
def test_every_objective_makes_examples_of_what_it_reads(kind):
    objective = Objective.parse(kind)
    if objective.reads == "documents":
        example = objective.piece(np.arange(5, 25), 5, VOCABULARY, generator(0))
    else:
        example = objective.dialogue([Segment((3,), False), Segment((4, 5), True)])
    assert len(example.targets["token"]) == len(example) and (example.targets["token"] != IGNORE).any()


@pytest.mark.parametrize("kind", sorted(k for k, v in Objective.kinds.items() if v.reads != "documents"))
def test_every_objective_refuses_what_it_does_not_read(kind):
    with pytest.raises(NotImplementedError, match="does not read documents"):
        Objective.parse(kind).piece(np.array([3]), None, VOCABULARY, generator(0))
