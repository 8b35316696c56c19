"""Rotary positions as learners write them."""

import re

import pytest

from judged import every_mistake_is_told_apart, hint

RIGHT = """
import torch

def rope(x, positions, theta):
    half = x.shape[-1] // 2
    speed = theta ** (-2 * torch.arange(half) / x.shape[-1])
    angle = torch.outer(positions.float(), speed)
    left, right = x[:, :half], x[:, half:]
    first = left * angle.cos() - right * angle.sin()
    second = right * angle.cos() + left * angle.sin()
    return torch.cat([first, second], dim=-1)
"""
COMPLEX = """
import torch
def rope(x, positions, theta):
    half = x.shape[-1] // 2
    angle = positions[:, None] * theta ** (-torch.arange(half) / half)
    made = torch.complex(x[:, :half], x[:, half:]) * torch.polar(torch.ones_like(angle), angle)
    return torch.cat([made.real, made.imag], -1)
"""


def test_each_mistake_has_its_own_hint():
    every_mistake_is_told_apart("rope")
    assert hint("rope", RIGHT) is None and hint("rope", COMPLEX) is None


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("-2 * torch", "-1 * torch", "exponent is -i / E"),
        ("-2 * torch", "2 * torch", "wrong sign"),
        ("positions.float()", "torch.arange(len(x)).float()", "those that are given"),
        ("positions.float()", "positions.float() + 1", "counted from 1"),
        ("positions.float()", "-positions.float()", "wrong way"),
        ("second = right", "left = first\n    second = right", "new first half"),
        ("x[:, :half], x[:, half:]", "x[:, ::2], x[:, 1::2]", "put back as halves"),
        ("angle.sin()", "angle", "expected"),
    ],
)
def test_a_wrong_one_gets_its_hint(before, after, told):
    assert re.search(told, hint("rope", RIGHT, (before, after)) or "right")


def test_neighbours_as_pairs_are_told():
    wrong = RIGHT.replace("x[:, :half], x[:, half:]", "x[:, ::2], x[:, 1::2]")
    wrong = wrong.replace("torch.cat([first, second], dim=-1)", "torch.stack([first, second], -1).flatten(1)")
    assert "2i and 2i + 1; here they are i and i + E/2" in (hint("rope", wrong) or "")
