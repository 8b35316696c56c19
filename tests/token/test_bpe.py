import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import tokenizers
from tokenizers import pre_tokenizers

from trivium.base.errors import DataError
from trivium.token.bpe import CUT, LONGEST, MOST, SPLIT, bounded, most
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


LONG = "".join(random.Random(0).choices("ACGT", k=200_000))


@pytest.mark.parametrize(
    ("run", "words"),
    [
        *((letter * 999, 1) for letter in ("x", "é", "中", "=", " ", "_", "\n", "हि")),
        *(("a1" * 999, 0), ("a" * 256, 0), ("a" * 257, 1), ("-".join(["a" * 300] * 5), 5), ("很好，" * 300, 0)),
    ],
    ids=lambda value: repr(value)[:5],
)
@pytest.mark.parametrize("before", [0, 1, 127, 128, 200])
def test_the_trainer_sees_no_long_word(run, words, before):
    split = pre_tokenizers.Split(tokenizers.Regex(SPLIT), behavior="isolated")
    text, counts = "a " * before + "b " + run + " c. " * 99, Counter()
    parts = list(bounded([text, "short"], split, counts))
    assert "".join(parts) == text + "short" and counts[CUT] == words
    assert len(parts) == 2 or words
    longest = max(len(word) for part in parts for word, _ in split.pre_tokenize_str(part))
    assert longest <= LONGEST + 1  # the space before a run of 256 is one more


def test_of_one_word_the_trainer_sees_a_bounded_part():
    split = pre_tokenizers.Split(tokenizers.Regex(SPLIT), behavior="isolated")
    parts = list(bounded([f"before {LONG} after"], split, Counter()))
    assert sum(map(len, parts)) == len("before  after") + MOST and max(map(len, parts)) < 2 * LONGEST
    assert parts[-1] == " after" and f"before {LONG}".startswith("".join(parts[:-1]))


def test_a_long_run_of_letters_is_told_and_encoded_as_any_text(caplog):
    made = Tokenizer.train([*corpus(), LONG], 448)
    assert f"{CUT}: 1\n" in caplog.text
    ids = made.encode(LONG)
    assert made.decode(ids) == LONG and len(ids) < len(LONG)
    caplog.clear()
    assert Tokenizer.train(corpus(), 448).decode(made.encode("abs")) and not caplog.text


@pytest.mark.parametrize(
    ("text", "words"), [("हिन्दी में लिखा", 3), ("มนุษย์ทั้งหลาย", 1), ("جَمِيعُ النَّاسِ", 2), ("e\u0301te\u0301", 1), ("12 a1", 4)]
)
def test_marks_stay_with_their_letters(text, words):
    split = pre_tokenizers.Split(tokenizers.Regex(SPLIT), behavior="isolated")
    assert len(split.pre_tokenize_str(text)) == words
    made = Tokenizer.train([*corpus(), *[text] * 2000], 448)
    if not any(map(str.isdigit, text)):
        assert len(made.encode(text)) == words
    assert made.decode(made.encode(text)) == text
    assert made._fast is not None, "the fast encoder knows this split"


def test_a_size_that_nobody_chose_is_what_the_text_gives():
    with pytest.raises(DataError) as error:
        Tokenizer.train(corpus(), 8192)
    possible = int(str(error.value).split("at most ")[1].split()[0])
    assert Tokenizer.train(corpus()).json == Tokenizer.train(corpus(), possible).json
    assert Tokenizer.train([]).json == Tokenizer.bytes().json
    assert possible <= most(sum(len(text.encode()) for text in corpus()))
