import math

import pytest

from trivium.train.schedule import WSD, Constant, Cosine, Schedule


@pytest.mark.parametrize("kind", sorted(Schedule.kinds))
def test_the_warmup_rises_in_equal_steps_to_the_peak(kind):
    schedule = Schedule.parse({"kind": kind, "warmup_steps": 4})
    assert [schedule.factor(step, 40) for step in range(5)] == [0.25, 0.5, 0.75, 1.0, 1.0]


@pytest.mark.parametrize("kind", sorted(Schedule.kinds))
@pytest.mark.parametrize("steps", [1, 2, 10, 1000])
@pytest.mark.parametrize("warmup", [0, 1, 5])
def test_a_factor_is_a_share_of_the_peak_at_every_step(kind, steps, warmup):
    schedule = Schedule.parse({"kind": kind, "warmup_steps": warmup})
    assert all(0 < schedule.factor(step, steps) <= 1 for step in range(steps))


@pytest.mark.parametrize("kind", sorted(Schedule.kinds))
def test_after_the_warmup_nothing_rises(kind):
    schedule = Schedule.parse({"kind": kind, "warmup_steps": 10})
    factors = [schedule.factor(step, 100) for step in range(10, 100)]
    assert factors == sorted(factors, reverse=True) and factors[0] == 1.0


def test_constant_stays():
    assert {Constant().factor(step, 10) for step in range(10)} == {1.0}


def test_cosine_goes_from_the_peak_over_the_middle_to_its_floor():
    schedule = Cosine(warmup_steps=20, floor=0.2)
    assert schedule.factor(20, 120) == 1.0
    assert schedule.factor(70, 120) == pytest.approx(0.6)
    assert schedule.factor(119, 120) == pytest.approx(0.2 + 0.8 * 0.5 * (1 + math.cos(math.pi * 0.99)))
    assert schedule.factor(120, 120) == pytest.approx(0.2) == schedule.factor(500, 120)


def test_wsd_stays_and_then_falls_in_a_line():
    schedule = WSD(warmup_steps=10, decay=0.5, floor=0.1)
    assert {schedule.factor(step, 110) for step in range(10, 61)} == {1.0}
    assert schedule.factor(85, 110) == pytest.approx(0.1 + 0.9 * 0.5)
    assert schedule.factor(109, 110) == pytest.approx(0.1 + 0.9 * 0.02)
    assert schedule.factor(110, 110) == pytest.approx(0.1)


def test_turns_take_the_place_of_the_share_and_a_later_one_takes_over():
    schedule = WSD(warmup_steps=4, floor=0.2, turns=[[10, 20], [15, 17]])
    assert [schedule.factor(step, 99) for step in (0, 3, 9, 10)] == [0.25, 1.0, 1.0, 1.0]
    assert schedule.factor(12, 99) == pytest.approx(0.2 + 0.8 * 0.8)
    assert schedule.factor(15, 99) == pytest.approx(0.2 + 0.8 * 0.5)
    assert schedule.factor(16, 99) == pytest.approx(0.2 + 0.8 * 0.25)
    assert schedule.factor(17, 99) == pytest.approx(0.2) == schedule.factor(50, 99)


@pytest.mark.parametrize("turns", [[[3]], [[5, 5]], [[-1, 4]], [[5, 9], [5, 12]], [[5, 9], [4, 12]]])
def test_turns_are_pairs_of_steps_in_order(turns):
    with pytest.raises(ValueError, match="turns: expected pairs"):
        WSD(turns=turns)
