"""Error rates beside their definition, and beside torchmetrics."""

import sys

import pytest

from trivium.task.metric.reading import error_rates

SAID = ["the cat sat", "a  dog", "", "x y z"]
RIGHT = [["the cat sat"], ["a dog"], ["one two"], ["x z"]]


def distance(a, b):
    """The definition, by dynamic programming."""
    row = list(range(len(b) + 1))
    for i, one in enumerate(a, start=1):
        before, row[0] = row[0], i
        for j, other in enumerate(b, start=1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (one != other))
    return row[-1]


def test_rates_are_edits_by_the_length_of_the_right_texts():
    pytest.importorskip("jiwer")
    found = error_rates(SAID, RIGHT)
    right = [one for (one,) in RIGHT]
    signs = sum(distance(a, b) for a, b in zip(SAID, right, strict=True)) / sum(map(len, right))
    words = sum(distance(a.split(), b.split()) for a, b in zip(SAID, right, strict=True)) / sum(
        len(one.split()) for one in right
    )
    assert found == {"cer": pytest.approx(signs), "wer": pytest.approx(words)}


def test_the_same_as_torchmetrics():
    pytest.importorskip("jiwer")
    text = pytest.importorskip("torchmetrics.text")
    found, right = error_rates(SAID, RIGHT), [one for (one,) in RIGHT]
    assert found["cer"] == pytest.approx(float(text.CharErrorRate()(SAID, right)), abs=1e-6)
    assert found["wer"] == pytest.approx(float(text.WordErrorRate()(SAID, right)), abs=1e-6)


def test_the_nearest_of_several_texts_counts():
    pytest.importorskip("jiwer")
    assert error_rates(["cat"], [["dog", "cats", "cat"]]) == {"cer": 0.0, "wer": 0.0}
    assert error_rates(["aaaa"], [["b"]])["cer"] == 4.0


def test_without_jiwer_it_is_told(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "jiwer", None)
    monkeypatch.setattr("trivium.task.metric.reading.find_spec", lambda name: None)
    assert error_rates(["a"], [["a"]]) == {}
    assert capsys.readouterr().out == "cer, wer: not measured without jiwer: pip install jiwer\n"
