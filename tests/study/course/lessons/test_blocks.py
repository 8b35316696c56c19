"""The parameters of both blocks, counted by hand; the timed models differ in the block alone."""

import pytest

from trivium.study.course.lessons import blocks

D = blocks.WIDTH


def test_the_block_of_2017_by_hand():
    attention = 4 * (D * D + D)
    inner = 4 * D
    assert blocks.block(blocks.OLD) == {
        "attention": attention,
        "cross": attention,
        "ffn": 2 * D * inner + inner + D,
        "norms": 3 * 2 * D,
    }


def test_the_block_of_llama_by_hand():
    found = blocks.block(blocks.NEW)
    inner = found["ffn"] / (3 * D)
    assert inner.is_integer() and inner == pytest.approx(8 * D / 3, rel=0.04)
    assert (found["attention"], found["cross"], found["norms"]) == (4 * D * D, 0, 2 * D)


def test_places_of_norms_and_positions_cost_nothing():
    numbers = blocks.exact()
    assert numbers["change_place"] == numbers["change_position"] == 0
    assert numbers["change_norm"] == -3 * D and numbers["change_cross"] == -(4 * (D * D + D) + 2 * D)


def test_the_drawing_has_every_combination():
    made = blocks.drawing({})
    assert len(made["blocks"]) == 2 ** len(made["steps"]) == 64
    assert made["blocks"]["0" * 6] == blocks.block(blocks.OLD)


@pytest.mark.slow
def test_both_are_timed(tmp_path):
    made = blocks.measured(tmp_path)
    assert made["ratio"] == made["new_ms"] / made["old_ms"] > 0
