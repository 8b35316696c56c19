"""A row: what it has not read, what it shares with another, and where it ends."""

import pytest
import torch

from trivium.infer.row import Row
from trivium.infer.sampling import Sampling


def row(prompt: list[int], most: int = 4, source: list[int] | None = None, **options: object) -> Row:
    return Row(prompt, source, Sampling(), torch.Generator(), most, **options)  # type: ignore[arg-type]


L = torch.zeros(12)


def test_it_reads_the_prompt_and_then_its_own_ids() -> None:
    one = row([5, 6, 7])
    assert one.unread == [5, 6, 7]
    one.read = 2
    assert one.unread == [7]
    one.take(9, L, None)
    assert one.unread == [7, 9]
    one.read = 3
    assert one.unread == [9]
    one.read = 4
    assert one.unread == []


def test_it_shares_what_the_other_has_read_and_never_its_last_id() -> None:
    other = row([1, 2, 3, 4])
    other.read = 3
    assert row([1, 2, 3, 4, 5]).common(other) == 3
    assert row([1, 2, 9, 4, 5]).common(other) == 2
    assert row([1, 2]).common(other) == 1
    assert row([1, 2, 3], source=[8]).common(other) == 0


def test_it_ends_at_a_stop_the_most_ids_or_the_last_position() -> None:
    stopped, full, limited = row([1], stops={7}), row([1], most=2), row([1, 2], most=9, limit=3)
    assert stopped.take(3, L, None) and not stopped.take(7, L, None)
    assert (stopped.ids, stopped.reason) == ([3], "stop")
    assert full.take(3, L, None) and full.reason is None and full.take(3, L, None) and full.reason == "length"
    assert limited.capacity == 3
    assert limited.take(3, L, 3) and limited.reason is None and limited.take(3, L, 3) and limited.reason == "length"
    assert not limited.take(3, L, 3), "an ended row takes nothing"


def test_log_probabilities_are_those_of_the_model() -> None:
    one = row([1], top=2, vocabulary=5)
    logits = torch.tensor([0.0, 3.0, 1.0, 2.0, -1.0, 90.0])
    one.take(4, logits, None)
    expected = logits[:5].log_softmax(dim=-1)
    assert one.chances[0].logprob == pytest.approx(float(expected[4]))
    assert [index for index, _ in one.chances[0].top] == [1, 3]
    assert one.chances[0].top[0][1] == pytest.approx(float(expected[1]))
