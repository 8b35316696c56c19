"""Sizes of LLaMA-2-7B as it was published, and grouped heads beside copied ones."""

import pytest

from trivium.study.course.lessons import heads


def test_the_sizes_are_those_of_the_published_model():
    numbers = heads.exact()
    assert numbers["weights_32"] == 6_738_415_616
    assert numbers["token_32"] == 2 * 32 * 32 * 128 * 2 and numbers["token_1"] == numbers["token_32"] / 32
    assert (numbers["gib_32"], numbers["rows_mha"], numbers["rows_gqa"]) == (2, 12, 48)
    assert numbers["weights_32"] - numbers["weights_8"] == 32 * 2 * 4096 * 24 * 128


def test_grouped_heads_are_copied_heads():
    assert heads.same() < 1e-6


def test_a_smaller_cache_is_measured(monkeypatch, tmp_path):
    monkeypatch.setattr(heads, "PROMPT", 20)
    monkeypatch.setattr(heads, "TOKENS", 2)
    found = heads.measured(tmp_path)
    assert found["mb_mha"] == pytest.approx(4 * found["mb_gqa"]) == pytest.approx(8 * found["mb_mqa"])


def test_the_drawing_has_the_numbers_of_the_page():
    numbers = heads.exact()
    made = heads.drawing(numbers)
    assert [524288 * count // 32 for count in made["counts"]] == made["bytes"]
    assert made["weights"][0] == numbers["weights_32"] and all(32 % count == 0 for count in made["counts"])
