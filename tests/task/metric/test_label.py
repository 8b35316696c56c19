import pytest

from trivium.task.metric.label import label_metrics, warn_of_one_class


def test_labels_beside_their_definitions():
    found, right = [("a",), ("a",), ("b",), ("b",)], [("a",), ("b",), ("b",), ("b",)]
    scores = label_metrics(found, right, ("a", "b", "c"))
    assert scores["accuracy"] == 0.75 and scores["confusion"] == [[1, 0, 0], [1, 2, 0], [0, 0, 0]]
    assert scores["macro_f1"] == pytest.approx((2 / 3 + 4 / 5) / 2), "a label that never occurs does not count"


def test_several_labels_must_all_be_right():
    scores = label_metrics([("a", "b"), ()], [("b", "a"), ("a",)], ("a", "b"))
    assert scores["accuracy"] == 0.5 and "confusion" not in scores


def test_macro_f1_is_the_mean_over_labels_whatever_their_numbers():
    right = [str(i % 3) for i in range(40)]
    found = [str(i * i % 3) for i in range(40)]  # 14 zeros are right, 13 ones too, and 13 twos are called one
    scores = label_metrics([(a,) for a in found], [(b,) for b in right], ("0", "1", "2"))
    assert scores["macro_f1"] == pytest.approx((1 + 2 / 3 + 0) / 3) and scores["accuracy"] == 27 / 40


def test_what_is_none_of_the_labels_is_wrong_and_a_column_of_its_own():
    scores = label_metrics([("a",), ("?",)], [("a",), ("b",)], ("a", "b"), "?")
    assert scores["accuracy"] == 0.5 and scores["macro_f1"] == 0.5
    assert scores["labels"] == ["a", "b", "?"] and scores["confusion"] == [[1, 0, 0], [0, 0, 1]]


@pytest.mark.parametrize(
    ("found", "right", "warned"),
    [
        ([("a",), ("a",)], [("a",), ("b",)], "all 2 predictions are 'a'"),
        ([(), ()], [("a",), ()], "all 2 predictions are 'no label'"),
        ([("a", "b"), ("b", "a")], [("a",), ("b",)], "all 2 predictions are 'a, b'"),
        ([("a",), ("a",)], [("a",), ("a",)], ""),
        ([("a",), ("b",)], [("b",), ("a",)], ""),
    ],
)
def test_predictions_of_one_class_are_a_warning(found, right, warned, capsys):
    warn_of_one_class(found, right)
    said = capsys.readouterr().err
    assert warned in said if warned else not said


def test_a_long_prediction_is_cut_in_the_warning(capsys):
    warn_of_one_class([("long " * 99,), ("long " * 99,)], [("a",), ("b",)])
    assert len(capsys.readouterr().err) < 140
