"""The judge: exit codes, hints before differences, and what is said of values that no mistake explains."""

import pytest
import torch

from judged import hint
from trivium.cli import run as command
from trivium.study.course import judge
from trivium.study.course.exercise import exercise


def test_a_difference_is_told_by_kind_then_shape_then_place():
    right = torch.zeros(2, 3)
    assert judge.difference([1], right) == "expected a tensor [2, 3], found [1]"
    assert judge.difference({"other": "set"}, right) == "expected a tensor [2, 3], found a value of the kind set"
    assert judge.difference(right.T, right) == "expected a tensor [2, 3], found [3, 2]"
    assert judge.difference(right, [1]) == "expected [1], found a tensor [2, 3]"
    wrong = right.clone()
    wrong[1, 2] = 0.5
    assert judge.difference(wrong, right) == "at [1, 2] expected 0, found 0.5; 1 of 6 numbers differ"
    assert "found nan" in judge.difference(right / 0, right)


def test_small_errors_are_none_and_kinds_of_numbers_count_for_bool_alone():
    right = torch.tensor([1.0, 2.0])
    assert judge.same(right + 1e-5, right) and judge.same(right.double(), right)
    assert not judge.same(right + 1e-3, right) and not judge.same(right[None], right)
    assert not judge.same(torch.tensor([1, 0]), torch.tensor([True, False]))
    assert not judge.same(torch.tensor([float("nan"), 2.0]), right)


def test_the_call_that_differs_is_named_where_no_mistake_fits():
    one = exercise("labels")
    found = [one.ours(*case) for case in one.cases()]
    found[2] = [99]
    assert (judge.verdict(one, found) or "").startswith("call 3 of 4: expected")


def test_of_two_mistakes_the_first_is_told():
    source = "import torch\ndef attention(q, k, v, causal):\n    return torch.softmax(q @ k.mT, -1) @ v"
    assert "not divided by the root" in (hint("attention", source) or "")


def test_the_exercise_is_printed_without_a_file(capsys):
    assert command(["learn", "--check", "attention"]) == 0
    assert capsys.readouterr().out == exercise("attention").text


def test_exit_codes(tmp_path, monkeypatch, capsys):
    one, file = exercise("labels"), tmp_path / "my.py"
    answers = {"right": [one.ours(*case) for case in one.cases()], "wrong": [[*case[0]] for case in one.cases()]}
    for name, code in (("right", 0), ("wrong", 1)):
        monkeypatch.setattr(judge, "values", lambda *_, name=name: answers[name])
        assert command(["learn", "--check", "labels", str(file)]) == code
        assert f"{file}: " in capsys.readouterr().out
    monkeypatch.undo()
    assert command(["learn", "--check", "labels", str(file)]) == 2
    assert "my.py: no such file" in capsys.readouterr().err


@pytest.mark.slow
def test_a_file_of_a_person_is_judged(tmp_path, capfd):
    file = tmp_path / "my.py"
    file.write_text("def labels(ids, trained):\n    return list(ids)\n")
    assert command(["learn", "--check", "labels", str(file)]) == 1
    file.write_text(exercise("labels").text)
    assert command(["learn", "--check", "labels", str(file)]) == 2
    assert "my.py: line 9: NotImplementedError" in capfd.readouterr().err
