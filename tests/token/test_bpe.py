import os
import subprocess
import sys
from pathlib import Path

import pytest

from trivium.base.errors import DataError
from trivium.token.tokenizer import Tokenizer

from .conftest import corpus


def test_the_size_is_exactly_the_one_asked_for(tokenizer):
    assert tokenizer.size == tokenizer.vocabulary.size == 448
    assert Tokenizer.bytes().size == 384
    for size in (449, 320, 0):
        with pytest.raises(DataError, match="multiple of 64, at least 384"):
            Tokenizer.train(corpus(), size)
    with pytest.raises(DataError, match=r"too small, it gives \d+ tokens; at most \d+ is possible") as error:
        Tokenizer.train(corpus(), 8192)
    possible = int(str(error.value).split("at most ")[1].split()[0])
    assert Tokenizer.train(corpus(), possible).size == possible
    with pytest.raises(DataError, match="use the byte-level tokenizer"):
        Tokenizer.train([], 384)


def test_training_is_deterministic_and_streams(tokenizer):
    assert Tokenizer.train(iter(corpus()), 448).json == tokenizer.json


@pytest.mark.parametrize("threads", ["1", "8"])
def test_training_does_not_depend_on_the_number_of_threads(tokenizer, threads):
    code = "from tests.token.conftest import *; print(Tokenizer.train(corpus(), 448).identity)"
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "RAYON_NUM_THREADS": threads},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == tokenizer.identity
