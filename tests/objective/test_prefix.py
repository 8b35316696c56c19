import numpy as np

from trivium.base.seeds import generator
from trivium.base.types import IGNORE, Vocabulary
from trivium.objective.prefix import PrefixLM

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
