"""Exercises: each has a text that is Python, whose function our own code can stand for."""

import ast

import pytest

from trivium.base.errors import ConfigError
from trivium.study.course.exercise import exercise, exercises


@pytest.mark.parametrize("name", sorted(exercises()))
def test_the_text_is_an_empty_function_with_the_arguments_of_the_calls(name):
    one = exercise(name)
    (function,) = [node for node in ast.parse(one.text).body if isinstance(node, ast.FunctionDef)]
    assert function.name == one.function == name and ast.get_docstring(function)
    assert isinstance(function.body[1], ast.Raise) and len(function.body) == 2
    assert all(len(case) == len(function.args.args) for case in one.cases())
    assert len({hint for hint, _ in one.mistakes}) == len(one.mistakes) >= 6


def test_the_eight_are_there_and_an_unknown_one_is_named():
    assert {*exercises()} == {"attention", "rmsnorm", "rope", "swiglu", "mask", "packing", "labels", "bpe"}
    with pytest.raises(ConfigError, match=r"unknown exercise 'atention'; did you mean 'attention'"):
        exercise("atention")
