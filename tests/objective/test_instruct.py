import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivium.base.types import IGNORE, Segment
from trivium.objective.instruct import Instruct
from trivium.objective.objective import Objective

SEGMENTS = [Segment((1, 10), False), Segment((20, 21, 3), True), Segment((10, 22), False), Segment((23, 3), True)]


def test_only_trained_ids_are_targets_one_position_before_them():
    example = Instruct().dialogue(SEGMENTS)
    assert example.dec.tolist() == [1, 10, 20, 21, 3, 10, 22, 23, 3]
    assert example.targets["token"].tolist() == [-100, 20, 21, 3, -100, -100, 23, 3, -100]
    assert example.weights is None


@given(st.lists(st.tuples(st.lists(st.integers(0, 99), max_size=5), st.booleans()), min_size=1, max_size=8))
def test_the_targets_of_any_conversation_are_its_trained_ids_in_order(parts):
    segments = [Segment((1,), False), *(Segment(tuple(ids), train) for ids, train in parts)]
    targets = Instruct().dialogue(segments).targets["token"]
    assert targets[targets != IGNORE].tolist() == [id for ids, train in parts if train for id in ids]


def test_a_weight_is_given_to_every_position():
    assert Instruct().dialogue(SEGMENTS, 0.25).weights.tolist() == [0.25] * 9


def test_it_reads_conversations_and_joins_its_family():
    assert Objective.parse({"kind": "instruct", "references": "all"}) == Instruct(references="all")
    assert Instruct.reads == "conversations"
    with pytest.raises(NotImplementedError):
        Instruct().piece(None, None, None, None)


def test_beside_an_encoder_the_answer_is_written_and_all_before_it_is_read():
    example = Instruct().answer([1, 10, 11], [20, 21, 3], start=0)
    assert example.enc.tolist() == [1, 10, 11]
    assert example.dec.tolist() == [0, 20, 21] and example.targets["token"].tolist() == [20, 21, 3]
    assert Instruct().answer([1], [20, 3], 2, 0.5).weights.tolist() == [0.5, 0.5]
