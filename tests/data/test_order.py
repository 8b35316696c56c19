"""Order: blocks give what single calls give; every epoch is a shuffle of its rows."""

import numpy as np
import pytest

from trivium.base.seeds import permute
from trivium.data import order
from trivium.data.order import Order


@pytest.mark.parametrize("size", [1, 2, 7, 8, 9, 100])
def test_blocks_do_not_show(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order, "BLOCK", 8)
    found = [Order(lambda epoch: size, 5).locate(sample) for sample in range(3 * size)]
    wanted = [(epoch, int(permute(np.array([row]), size, 5, epoch)[0])) for epoch in range(3) for row in range(size)]
    assert found == wanted
    assert [sorted(row for at, row in found if at == epoch) for epoch in range(3)] == [list(range(size))] * 3


def test_it_can_be_asked_anywhere() -> None:
    sizes = [10, 7, 13]
    whole = Order(lambda epoch: sizes[epoch % 3], 1)
    wanted = [whole.locate(sample) for sample in range(60)]
    assert [Order(lambda epoch: sizes[epoch % 3], 1).locate(sample) for sample in reversed(range(60))] == wanted[::-1]
    assert whole.locate(10**6)[0] == 100_000 - 1 or whole.locate(10**6)[0] > 90_000
