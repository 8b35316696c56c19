"""Sparse patterns against masks drawn by hand and the papers' figures; the random one against what it promises."""

import pytest
import torch

from trivium.model.attention.pattern import Causal, Pattern, Window
from trivium.model.attention.sparse import BlockSparse, Dilated, Fixed, Global, Random, Strided


def drawn(pattern: Pattern, length: int) -> list[str]:
    return pattern.draw(length).split()


def mask(pattern: Pattern, length: int) -> torch.Tensor:
    return torch.tensor([[pair == "#" for pair in line] for line in drawn(pattern, length)])


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (Dilated(size=3, step=2), "#..... .#.... #.#... .#.#.. #.#.#. .#.#.#"),
        (Dilated(size=2, step=3, both=True), "#..#.. .#..#. ..#..# #..#.. .#..#. ..#..#"),
        (Dilated(size=3, step=1), "#..... ##.... ###... .###.. ..###. ...###"),
        (Global(tokens=(0,)), "###### #..... #..... #..... #..... #....."),
        (Global(tokens=(1, 4)), ".#..#. ###### .#..#. .#..#. ###### .#..#."),
        (BlockSparse(size=2), "##.... ##.... ..##.. ..##.. ....## ....##"),
        (Causal() & BlockSparse(size=3), "#..... ##.... ###... ...#.. ...##. ...###"),
        (Strided(stride=3), "#..... ##.... ###... ####.. .####. ..####"),
        (Fixed(stride=3, summary=1), "#..... ##.... ###... ..##.. ..###. ..####"),
        (Fixed(stride=2, summary=1), "#..... ##.... .##... .###.. .#.##. .#.###"),
        # Longformer, figure 2d, and the part of BigBird's figure 1d that is not drawn
        (Window(size=2, both=True) | Global(), "###### ###... ####.. #.###. #..### #...##"),
        (Causal() & (Window(size=2) | Global()), "#..... ##.... ###... #.##.. #..##. #...##"),
    ],
)
def test_masks(pattern: Pattern, expected: str) -> None:
    assert drawn(pattern, 6) == expected.split()


def test_strided_reaches_back_in_strides() -> None:
    """Figure 3b of the Sparse Transformer: the last tokens, then every stride-th."""
    assert drawn(Strided(stride=3), 10)[9] == "#..#..####"
    assert drawn(Strided(stride=4), 12)[11] == "...#...#####"


def test_fixed_reads_summaries() -> None:
    """Figure 3c: one's own block so far, and the last tokens of each block before."""
    assert drawn(Fixed(stride=4, summary=2), 12)[9] == "..##..####.."


@pytest.mark.parametrize("count", [1, 3])
def test_random_draws_count_earlier_blocks(count: int) -> None:
    block, blocks = 4, 24
    seen = mask(Random(block=block, count=count), block * blocks)
    tiles = seen.view(blocks, block, blocks, block).transpose(1, 2)
    table = tiles[:, :, 0, 0]
    assert torch.equal(tiles, table[:, :, None, None].expand_as(tiles)), "a block sees or does not see as a whole"
    assert torch.equal(table, table.T), "who is drawn sees who drew"
    assert table.tril(-1).sum(1).tolist() == [min(i, count) for i in range(blocks)]
    assert not table.diagonal().any()


def test_random_is_a_function_of_its_seed() -> None:
    first, again, other = (mask(Random(block=2, seed=seed), 64) for seed in (5, 5, 6))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(mask(Random(block=2, seed=5), 40), first[:40, :40]), "the draw knows no length"
    assert mask(Random(seed=2**40, block=2), 64).any()


def test_random_draws_every_block() -> None:
    """Over many seeds each earlier block is drawn equally often: 1000 draws of 1 in 10 give 100, give or take 40."""
    counts = sum(mask(Random(block=1, count=1, seed=seed), 11)[10, :10].int() for seed in range(1000))
    assert counts.sum() == 1000 and counts.min() > 60 and counts.max() < 140


def test_bigbird_is_window_global_and_random() -> None:
    parts = Window(size=2, both=True), Global(), Random(block=2, count=1)
    together = parts[0] | parts[1] | parts[2]
    expected = mask(parts[0], 12) | mask(parts[1], 12) | mask(parts[2], 12)
    assert torch.equal(mask(together, 12), expected) and not expected.all()
