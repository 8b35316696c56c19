"""The cloze: a right candidate is found by a model that knows, in every family, and blanks are drawn honestly."""

import numpy as np
import pytest
import torch

from trivium import api
from trivium.base.config import parse
from trivium.base.errors import DataError
from trivium.model.config import ModelConfig
from trivium.model.transformer import Transformer
from trivium.study.cloze import CANDIDATES, SIDE, Blank, accuracy, blanks, frequency_accuracy
from trivium.study.compare import FAMILIES, tree
from trivium.token.tokenizer import Tokenizer


def documents() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(128, 384, size=100 + 10 * n) for n in range(5)]


def test_blanks_are_where_they_say_and_the_truth_comes_first() -> None:
    texts = documents()
    for blank in blanks(texts, 40, seed=1):
        around = np.concatenate([blank.left, blank.candidates[:1], blank.right])
        assert any((np.lib.stride_tricks.sliding_window_view(t, 2 * SIDE + 1) == around).all(1).any() for t in texts)
        assert len(set(blank.candidates.tolist())) == CANDIDATES


def test_blanks_are_a_function_of_their_seed() -> None:
    one, again, other = (blanks(documents(), 9, seed)[0].left.tolist() for seed in (1, 1, 2))
    assert one == again != other


def test_documents_too_short_for_a_blank_are_an_error() -> None:
    with pytest.raises(DataError, match="longer than"):
        blanks([np.arange(10)], 1, seed=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_that_prefers_one_token_finds_it(family: str) -> None:
    torch.manual_seed(0)
    config = parse(ModelConfig, {**tree(family, 384, 2, 64), "tie": False, "init": "normal"})
    model = api.Model(Transformer(config), Tokenizer.bytes())
    favourite = 300
    with torch.no_grad():  # hidden states are about noise; the favourite gets a score that noise cannot reach
        model.transformer.head.bias = torch.nn.Parameter(torch.zeros(384))
        model.transformer.head.bias[favourite] = 30.0
    others = list(range(310, 310 + CANDIDATES - 1))
    around = np.arange(130, 130 + SIDE)
    known = Blank(around, around, np.array([favourite, *others]))
    missed = Blank(around, around, np.array([*others, favourite]))
    assert accuracy(model, [known, missed, known]) == pytest.approx(2 / 3)


def test_the_frequency_floor_counts_training_tokens() -> None:
    asked = [Blank(np.empty(0), np.empty(0), np.array([5, 6])), Blank(np.empty(0), np.empty(0), np.array([6, 5]))]
    assert frequency_accuracy([np.array([5, 5, 6])], asked, 10) == 0.5
