"""Shares and exclusions of masked language modelling, counted over many tokens."""

from dataclasses import replace

import numpy as np
import pytest

from trivium.base.errors import ConfigError
from trivium.base.seeds import generator
from trivium.base.types import IGNORE, Vocabulary
from trivium.objective.masked import MaskedLM

START = np.zeros(1000, dtype=bool)
START[::3] = True
VOCABULARY = Vocabulary(1000, pad=0, bos=1, eos=2, mask=4, special=frozenset(range(20)), word_start=START)


def text(length: int, seed: int) -> np.ndarray:
    """A framed document with a control token in its middle."""
    ids = np.random.default_rng(seed).integers(20, 1000, length)
    ids[0], ids[-1], ids[length // 2] = 1, 2, 7
    return ids


def count(objective: MaskedLM, lengths: list[int]) -> dict[str, float]:
    content = chosen = hidden = kept = 0
    for seed, length in enumerate(lengths):
        ids = text(length, seed)
        example = objective.piece(ids, None, VOCABULARY, generator(0, 0, seed))
        targets = example.targets["token"]
        at = targets != IGNORE
        assert (targets[at] == ids[at]).all() and (ids[at] >= 20).all(), "a control token was chosen"
        assert (example.enc[~at] == ids[~at]).all(), "a token that is no target was changed"
        assert ((example.enc[at] == 4) | (example.enc[at] >= 20)).all(), "a control token was put in"
        content += int((ids >= 20).sum())
        chosen += int(at.sum())
        hidden += int((example.enc[at] == 4).sum())
        kept += int((example.enc[at] == ids[at]).sum())
    return {"chosen": chosen / content, "hidden": hidden / chosen, "kept": kept / chosen}


@pytest.mark.parametrize("words", [False, True])
@pytest.mark.parametrize("length", [10_000, 13])
def test_shares_are_those_of_bert(words: bool, length: int) -> None:
    """Over a million tokens, in long texts and in very short ones."""
    lengths = [length] * (1_000_000 // length if length > 100 else 20_000)
    share = count(MaskedLM(words=words), lengths)
    exact = length > 100
    assert share["chosen"] == pytest.approx(0.15, abs=0.002 if exact else 0.004)
    assert share["hidden"] == pytest.approx(0.8, abs=0.005 if exact else 0.01)
    assert share["kept"] == pytest.approx(0.1, abs=0.005 if exact else 0.01)  # plus 0.01 % replaced by themselves


def test_the_rate_is_a_choice() -> None:
    assert count(MaskedLM(rate=0.4), [5000] * 40)["chosen"] == pytest.approx(0.4, abs=0.002)
    assert count(MaskedLM(hide=1.0, replace_share=0.0), [5000])["hidden"] == 1.0


def test_whole_words_are_chosen_whole() -> None:
    chosen_parts = 0
    for seed in range(50):
        ids = text(200, seed)
        at = MaskedLM(words=True).piece(ids, None, VOCABULARY, generator(seed)).targets["token"] != IGNORE
        for i in range(1, 200):
            inside = ids[i] >= 20 and ids[i - 1] >= 20 and not START[ids[i]]
            assert not inside or at[i] == at[i - 1]
            chosen_parts += inside and at[i]
    assert chosen_parts > 100


def test_words_need_to_be_known() -> None:
    with pytest.raises(ConfigError, match="where words begin"):
        MaskedLM(words=True).frame(replace(VOCABULARY, word_start=None))
    with pytest.raises(ConfigError, match="mask token"):
        MaskedLM().frame(replace(VOCABULARY, mask=None))
    assert MaskedLM().frame(VOCABULARY) == ((1,), (2,))


def test_masks_are_a_function_of_the_address() -> None:
    ids = text(500, 0)
    first, again, next_epoch = (MaskedLM().piece(ids, None, VOCABULARY, generator(7, e, 3)) for e in (0, 0, 1))
    assert (first.enc == again.enc).all() and (first.enc != next_epoch.enc).any()


def test_nothing_to_mask_is_no_target() -> None:
    for ids in ([1, 2], [1], [1, 7, 2]):
        example = MaskedLM().piece(np.array(ids), None, VOCABULARY, generator(0))
        assert example.enc.tolist() == ids and (example.targets["token"] == IGNORE).all()


def test_the_text_given_is_left_alone() -> None:
    ids = text(100, 0)
    before = ids.copy()
    MaskedLM().piece(ids, None, VOCABULARY, generator(0))
    assert (ids == before).all()


def test_shares_that_are_more_than_all_are_refused():
    with pytest.raises(ValueError, match="hide and replace_share: expected at most 1 together"):
        MaskedLM(hide=0.9, replace_share=0.5)
    assert MaskedLM(hide=0.7, replace_share=0.3).hide == 0.7
