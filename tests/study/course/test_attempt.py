"""A learner's file in a process of its own: values come back, and what goes wrong is one line with its place."""

import pytest
import torch

from trivium.base.errors import TriviumError
from trivium.study.course import attempt

TELLS = """import math
def right(x, words): print("I was here"); return x * 2, len(words)
def raises(x, words):
    y = 0
    return x / y if isinstance(x, int) else undefined
def ends(x, words):
    import os
    os._exit(3)
def leaves(x, words): raise SystemExit("bye")
def asks(x, words): return input()
"""
CALL = [(torch.tensor([1.5, 2.0]), {"a": 1, "b": 2})]


def test_values_keep_their_kinds():
    for value in (torch.arange(3), torch.tensor([[True, False]]), torch.tensor(0.25, dtype=torch.float64)):
        again = attempt.lively(attempt.plain(value))
        assert again.dtype == value.dtype and torch.equal(again, value)
    tree = [1, 2.5, "x", None, True, [{"low": 3}]]
    assert attempt.lively(attempt.plain(tree)) == tree
    assert attempt.lively(attempt.plain((1, 2))) == [1, 2] and attempt.plain({1, 2}) == {"other": "set"}
    assert attempt.plain(torch.arange(2).numpy()) == [0, 1]


@pytest.mark.parametrize(
    ("source", "function", "told"),
    [
        (TELLS, "raises", r"my\.py: line 5: NameError: name 'undefined' is not defined"),
        (TELLS, "missing", r"my\.py: expected a function 'missing', found none"),
        (TELLS, "leaves", r"my\.py: line 9: SystemExit: bye"),
        ("def f(x, words)\n    pass", "f", r"my\.py: line 1: SyntaxError: expected ':'"),
        ("import nowhere\n", "f", r"my\.py: line 1: ModuleNotFoundError"),
    ],
)
def test_an_error_is_one_line_with_its_place(tmp_path, source, function, told):
    (tmp_path / "my.py").write_text(source)
    import re

    found = attempt._answered(str(tmp_path / "my.py"), function, attempt.plain(CALL))
    assert re.search(told, found["error"]) and "\n" not in found["error"]


@pytest.mark.slow
def test_another_process_answers_ends_or_hangs(tmp_path, monkeypatch):
    file = tmp_path / "my.py"
    file.write_text(TELLS)
    (value,) = attempt.values(file, "right", CALL)
    assert torch.equal(value[0], torch.tensor([3.0, 4.0])) and value[1] == 2
    with pytest.raises(TriviumError, match=r"my\.py: line 5: NameError"):
        attempt.values(file, "raises", CALL)
    with pytest.raises(TriviumError, match=r"my\.py: line 10: EOFError"):
        attempt.values(file, "asks", CALL)
    with pytest.raises(TriviumError, match="ended Python with exit code 3 before it answered"):
        attempt.values(file, "ends", CALL)
    file.write_text("while True: pass")
    monkeypatch.setattr(attempt, "LIMIT_SECONDS", 3)
    with pytest.raises(TriviumError, match="took more than 3 s; is there a loop without an end"):
        attempt.values(file, "right", CALL)
