"""Signatures: the words are those of `\\w+`, a text's bands do not depend on its neighbours, and meeting is as likely
as the theory of MinHash says."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trivium.corpus.duplicates import signature
from trivium.corpus.duplicates.shingle import normal
from trivium.corpus.duplicates.signature import Near, _units, signatures

TEXTS = ["one two three four five six seven", "", "!!!", "one", "the same\u00e9 words", "zwei", "改" * 40 + "天地玄黄"]


@settings(derandomize=True, deadline=None, max_examples=150)
@given(st.lists(st.text(alphabet=st.sampled_from("abé_1 -.\u0301中ß\n"), max_size=12), min_size=1, max_size=6))
def test_words_are_what_a_regular_expression_finds(texts: list[str]) -> None:
    words = [re.findall(r"\w+", text) for text in texts]
    units, counts = _units(texts, letters=False)
    assert counts.tolist() == [len(found) for found in words]
    names: dict[int, str] = {}
    flat = [word for found in words for word in found]
    assert all(names.setdefault(unit, word) == word for unit, word in zip(units.tolist(), flat, strict=True))
    assert len(names) == len(set(flat))
    letters, counts = _units(texts, letters=True)
    assert letters.tolist() == [ord(c) for text in texts for c in re.findall(r"\w", text)]
    assert counts.tolist() == [len(re.findall(r"\w", text)) for text in texts]


def test_neighbours_and_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [normal(text) for text in [*TEXTS, " ".join(map(str, range(700))), *reversed(TEXTS)]]
    table, known = signatures(texts, Near())
    assert known.tolist() == [bool(re.search(r"\w", text)) for text in texts]
    for text, row, there in zip(texts, table, known, strict=True):
        (alone,), _ = signatures([text], Near())
        assert not there or (alone == row).all()
    monkeypatch.setattr(signature, "BLOCK", 7)
    monkeypatch.setattr(signature, "GROUP", 5)
    again, there = signatures(texts, Near())
    assert (again == table).all() and (there == known).all()


@pytest.mark.parametrize("share", [0.5, 0.7, 0.85])
def test_texts_meet_as_often_as_the_theory_says(share: float) -> None:
    draw = np.random.default_rng(int(share * 100))
    near = Near(run=1)
    size, pairs = 60, 400
    common = round(2 * size * share / (1 + share))
    texts = []
    for pair in range(pairs):
        words = [f"w{pair}x{number}" for number in draw.permutation(2 * size)]
        texts += [" ".join(words[:size]), " ".join(words[:common] + words[size : 2 * size - common])]
    table, _ = signatures(texts, near)
    met = (table[::2] == table[1::2]).any(axis=1).mean()
    jaccard = common / (2 * size - common)
    expected = 1 - (1 - jaccard**near.rows) ** near.bands
    assert abs(met - expected) < 4 * max(0.01, (expected * (1 - expected) / pairs) ** 0.5)
