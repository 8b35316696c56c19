from dataclasses import replace

import numpy as np
import pytest

from trivium.base.seeds import generator
from trivium.base.types import IGNORE, Vocabulary
from trivium.objective.causal import CausalLM, PrefixLM

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


VOCABULARY = Vocabulary(100, pad=0, bos=1, eos=2)


def test_what_follows_the_cut_is_predicted_and_nothing_else() -> None:
    ids = np.arange(10, 20)
    cuts = set()
    for seed in range(200):
        example = PrefixLM().piece(ids, 55, VOCABULARY, generator(seed))
        assert (example.dec == ids).all()
        targets = example.targets["token"]
        assert (targets[: example.prefix - 1] == IGNORE).all()
        assert (targets[example.prefix - 1 :] == [*ids[example.prefix :], 55]).all()
        cuts.add(example.prefix)
    assert cuts == set(range(1, 10))


def test_a_single_token_still_predicts_what_follows() -> None:
    example = PrefixLM().piece(np.array([7]), 8, VOCABULARY, generator(0))
    assert example.prefix == 1 and example.targets["token"].tolist() == [8]


def test_a_document_has_its_frame() -> None:
    assert PrefixLM().frame(VOCABULARY) == ((1,), (2,))
