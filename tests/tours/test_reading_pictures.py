"""The fifth tour runs; what it draws and asks is right, and training never draws what it must not."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from trivium.base.seeds import generator

TOUR = Path(__file__).parents[2] / "tours" / "5_reading_pictures.py"


@pytest.fixture(scope="module")
def world():
    return runpy.run_path(str(TOUR))


def test_training_never_draws_what_is_held_out(world):
    seen = {thing[:2] for number in range(400) for thing in world["scene"](generator(1, number))}
    assert not seen & world["NEVER"]
    assert len(seen) == len(world["COLOURS"]) * len(world["SHAPES"]) - len(world["NEVER"])
    assert {one[0] for one in seen} == {*world["COLOURS"]} and {one[1] for one in seen} == {*world["SHAPES"]}
    for number in range(50):
        assert world["scene"](generator(2, number), unseen=True)[0][:2] in world["NEVER"]


def test_every_answer_is_what_the_picture_shows(world):
    """Answers are taken again from the pixels: the colour of each corner, and how many there are."""
    for number in range(60):
        rng = generator(3, number)
        things = world["scene"](rng)
        image = world["picture"](things, rng).astype(int)
        corners = {}
        for at, corner in enumerate(world["CORNERS"]):
            part = image[at // 2 * 16 :][:16, at % 2 * 16 :][:, :16]
            counts = {name: int((part == colour).all(axis=-1).sum()) for name, colour in world["COLOURS"].items()}
            best = max(counts, key=counts.get)
            corners[corner] = best if counts[best] > 10 else None
        for thing in things:
            for question, answer in world["questions"](thing, things):
                if question == f"what is {thing.corner}?":
                    assert answer.split()[0] == corners[thing.corner]
                if question == f"how many {thing.colour} things?":
                    assert int(answer) == sum(colour == thing.colour for colour in corners.values())
                if question.startswith("where is"):
                    assert corners[answer] == thing.colour
        assert sum(colour is not None for colour in corners.values()) == len(things)


@pytest.mark.slow
def test_it_goes_from_pictures_to_answers() -> None:
    done = subprocess.run([sys.executable, str(TOUR), "6", "60", "10"], capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    assert [line[0] for line in done.stdout.splitlines() if re.match(r"\d\. ", line)] == list("12345")
    assert "become 16 patches of 192 numbers" in done.stdout
    assert len(re.findall(r"of 10 answers are right", done.stdout)) == 4


def test_an_empty_picture_shows_nothing(world):
    paper = world["picture"]([], generator(0))
    assert paper.shape == (32, 32, 3) and np.ptp(paper) <= 12
