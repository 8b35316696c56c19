from dataclasses import replace

import numpy as np
import pytest

from trivium.base.seeds import generator
from trivium.base.types import Vocabulary
from trivium.objective.causal import CausalLM

VOCABULARY = Vocabulary(size=16, pad=0, bos=1, eos=2)


def piece(ids, following=None):
    return CausalLM().piece(np.array(ids), following, VOCABULARY, generator(0))


def test_each_position_predicts_the_next_id():
    example = piece([1, 5, 6, 2])
    assert example.dec.tolist() == [1, 5, 6, 2] and example.enc is None and example.weights is None
    assert example.targets["token"].tolist() == [5, 6, 2, -100]


def test_a_piece_that_was_cut_predicts_what_follows_it():
    assert piece([1, 5, 6], following=7).targets["token"].tolist() == [5, 6, 7]


@pytest.mark.parametrize(
    ("bos", "eos", "frame"),
    [(1, 2, ((1,), (2,))), (None, 2, ((), (2,))), (0, None, ((0,), ())), (None, None, ((), ()))],
)
def test_the_frame_is_what_the_vocabulary_has(bos, eos, frame):
    assert CausalLM().frame(replace(VOCABULARY, bos=bos, eos=eos)) == frame


def test_nothing_is_drawn():
    rng = generator(5)
    CausalLM().piece(np.arange(9), None, VOCABULARY, rng)
    assert rng.random() == generator(5).random()
