"""The judge of exercises: run a learner's function beside our own code, and say what is wrong with a hint."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trivium.base.log import result
from trivium.study.course.attempt import values
from trivium.study.course.exercise import Exercise, exercise

NEAR = 1e-4
"""How far numbers may be off, absolutely and as a share."""


def check(name: str, file: Path | None) -> int:
    """Judge the function of an exercise in a file; without one print the exercise. Return 0 if it is right, else 1."""
    one = exercise(name)
    if file is None:
        result(one.text.rstrip())
        return 0
    hint = verdict(one, values(file, one.function, one.cases()))
    right = f"{one.function} is right: {len(one.cases())} calls agree with Trivium's own code"
    result(f"{file}: {hint or right}")
    return 0 if hint is None else 1


def verdict(one: Exercise, found: Sequence[Any]) -> str | None:
    """Return the hint for the values of all calls of an exercise, or None where they are right."""
    pairs = [*zip(one.cases(), found, strict=True)]
    wrong = [(case, value) for case, value in pairs if not same(value, one.ours(*case))]
    if not wrong:
        return None
    for explained in (wrong, wrong[:1]):  # one mistake in all calls, else the first of several
        for hint, mistake in one.mistakes:
            if all(_gives(mistake, case, value) for case, value in explained):
                return hint
    at = next(at for at, (case, value) in enumerate(pairs) if not same(value, one.ours(*case)))
    return f"call {at + 1} of {len(pairs)}: {difference(pairs[at][1], one.ours(*pairs[at][0]))}"


def same(value: Any, expected: Any) -> bool:
    """Return whether a value is what is expected, within `NEAR`."""
    if not isinstance(expected, Tensor):
        return not isinstance(value, Tensor) and bool(value == expected)
    if not isinstance(value, Tensor) or value.shape != expected.shape:
        return False
    if torch.bool in (value.dtype, expected.dtype):
        return value.dtype == expected.dtype and torch.equal(value, expected)
    return torch.allclose(value.double(), expected.double(), rtol=NEAR, atol=NEAR, equal_nan=True)  # ours has none


def difference(value: Any, expected: Any) -> str:
    """Return in words how a value differs from what is expected: its kind, its shape, or its first wrong number."""
    if not isinstance(expected, Tensor):
        return f"expected {expected!s:.120}, found {_named(value)}"
    if not isinstance(value, Tensor):
        return f"expected a tensor {list(expected.shape)}, found {_named(value)}"
    if value.shape != expected.shape:
        return f"expected a tensor {list(expected.shape)}, found {list(value.shape)}"
    if expected.dtype == torch.bool != value.dtype:
        return f"expected True and False (torch.bool), found {str(value.dtype).removeprefix('torch.')}"
    wide = torch.float64
    off = ~torch.isclose(value.to(wide), expected.to(wide), rtol=NEAR, atol=NEAR)
    at = off.nonzero()[0].tolist()
    here = f"at {at} expected {expected[tuple(at)].item():.6g}, found {value[tuple(at)].item():.6g}"
    return f"{here}; {int(off.sum())} of {off.numel()} numbers differ"


def _gives(mistake: Any, case: Sequence[Any], value: Any) -> bool:
    try:
        return same(value, mistake(*case))
    except (RuntimeError, ValueError, IndexError):  # a wrong way may not fit every call
        return False


def _named(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"a tensor {list(value.shape)}"
    if isinstance(value, dict) and "other" in value:
        return f"a value of the kind {value['other']}"
    return f"{value!s:.120}"
