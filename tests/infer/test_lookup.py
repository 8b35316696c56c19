"""Guessed ids change nothing but the number of passes, whatever the model, and stop where they are wrong."""

import random

import pytest
import torch
from torch import Tensor

import tiny
from trivium.infer.engine import WIDE, InferenceEngine
from trivium.infer.lookup import LEAST, LONGEST_PAUSE, MOST, Lookup
from trivium.infer.row import Row
from trivium.infer.sampling import Sampling
from trivium.model.transformer import Transformer

V = 97
MODELS = {
    "grouped": {"preset": "llama", "kv_heads": 2},
    "window": {"preset": "llama", "pattern": {"kind": "window", "size": 5}},
    "alternating": {"preset": "llama", "pattern": [{"kind": "window", "size": 40}, "causal"]},
    "alibi": {"preset": "llama", "position": "alibi"},
    "gpt2": {"preset": "gpt2"},
    "prefix": {"preset": "llama", "pattern": "prefix"},
    "t5": {"preset": "t5"},
    "bart": {"preset": "bart"},
}


class Script:
    """In place of a grammar: the text can only be this one. So a random model copies as a trained one does."""

    done = False

    def __init__(self, ids: list[int]) -> None:
        self.ids = list(ids)

    def mask(self, scores: Tensor) -> None:
        only = scores[self.ids[0]].clone()
        scores.fill_(-torch.inf)[self.ids[0]] = only

    def take(self, index: int) -> None:
        assert self.ids.pop(0) == index


def edit(draw: random.Random, ids: list[int]) -> list[int]:
    """The same ids, some of them replaced, left out or said twice."""
    made: list[int] = []
    for index in ids:
        made += draw.choices([[index], [draw.randrange(V)], [], [index, index]], [40, 1, 1, 1])[0]
    return made


def rows(transformer: Transformer, count: int = 4) -> list[Row]:
    """Rows that write an edited copy of what they read, and rows that write what the model wants."""
    draw, made = random.Random(1), []
    for number in range(count):
        ids = [draw.randrange(V) for _ in range(draw.randrange(20, 40))]
        script = edit(draw, ids)[:40]
        source, prompt = (ids, ids[:1]) if transformer.config.encoder is not None else (None, ids)
        row = Row(prompt, source, Sampling(), torch.Generator(), len(script), limit=transformer.config.limit, top=2)
        if number % 4 != 3:
            row.grammar = Script(script)  # type: ignore[assignment]
        made.append(row)
    return made


def run(engine: InferenceEngine, some: list[Row]) -> int:
    for row in some:
        engine.submit(row)
    steps = 0
    while engine.busy:
        engine.step()
        steps += 1
    return steps


def chances(some: list[Row]) -> Tensor:
    return torch.tensor([one.logprob for row in some for one in row.chances])


@pytest.mark.parametrize("name", MODELS)
def test_the_ids_and_their_chances_are_those_without_guesses(name: str) -> None:
    transformer = tiny.lively(**MODELS[name])
    plain, quick, crowd = (rows(transformer) for _ in range(3))
    before = sum(run(InferenceEngine(transformer, lookup=False), [row]) for row in plain)
    steps = sum(run(InferenceEngine(transformer), [row]) for row in quick)
    run(InferenceEngine(transformer), crowd)
    for some in (quick, crowd):
        assert [(row.ids, row.reason) for row in some] == [(row.ids, row.reason) for row in plain]
        torch.testing.assert_close(chances(some), chances(plain), atol=1e-4, rtol=1e-4)
    counts = [(row.lookup.proposed, row.lookup.accepted) for row in quick if row.lookup is not None]
    assert sum(right for _, right in counts) > 30 and any(right < guessed for guessed, right in counts)
    assert steps < 0.7 * before


@pytest.mark.parametrize("name", ["alternating", "t5", pytest.param("window", marks=pytest.mark.slow)])
def test_in_exact_mode_guesses_change_no_bit(name: str) -> None:
    transformer = tiny.lively(**MODELS[name])
    plain, quick = rows(transformer, 3), rows(transformer, 3)
    for row in plain:
        run(InferenceEngine(transformer, exact=True, lookup=False), [row])
    run(InferenceEngine(transformer, exact=True), quick)
    assert [(row.ids, row.chances) for row in quick] == [(row.ids, row.chances) for row in plain]
    assert sum(row.lookup.accepted for row in quick if row.lookup is not None) > 10


def test_a_prefix_of_a_row_that_has_guessed_is_as_good_as_any() -> None:
    transformer = tiny.lively()
    answers = []
    for lookup in (False, True):
        engine = InferenceEngine(transformer, 1 << 30, exact=True, lookup=lookup)
        (first, *_) = rows(transformer)
        run(engine, [first])
        again = Row([*first.text, 5, 6], None, Sampling(), torch.Generator(), 8, top=2)
        run(engine, [again])
        assert again.hit == len(first.text) - 1
        answers.append((again.ids, again.chances))
    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    "changes", [{"repetition_penalty": 1.3}, {"presence_penalty": 1.0}, {"no_repeat_ngram": 2}, {"min_new_tokens": 20}]
)
def test_rules_of_choice_hold_within_a_guess(changes: dict[str, float]) -> None:
    transformer, found = tiny.lively(pattern={"kind": "window", "size": 3}), []
    for lookup in (False, True):
        some = [
            Row([1, 2, 3, number] * 4, None, Sampling(**changes), torch.Generator(), 40, stops=[7, 8])
            for number in range(6)
        ]
        run(InferenceEngine(transformer, lookup=lookup), some)
        found.append([(row.ids, row.reason) for row in some])
    assert found[0] == found[1]


def test_sampled_rows_and_wide_passes_guess_nothing() -> None:
    transformer = tiny.lively()
    for sampling, count in ((Sampling(temperature=0.5, seed=1), 1), (Sampling(), WIDE)):
        some = [Row([5, 6, 7] * 6, None, sampling, sampling.generators(1)[0], 12) for _ in range(count)]
        run(InferenceEngine(transformer), some)
        assert not any(row.lookup.proposed for row in some if row.lookup is not None)


def test_what_stood_behind_the_same_ids_is_guessed() -> None:
    lookup = Lookup([1, 2, 3, 4, 5, 6, 7, 8, 9])
    assert lookup.guess([2, 3, 4], 8) == [5, 6, 7, 8]
    lookup.judge(4, 4)
    assert lookup.guess([2, 3, 4, 5], 2) == [6, 7]
    assert Lookup([1, 2, 3, 1, 2, 4]).guess([9, 1, 2], 8) == [4, 9, 1, 2], "the last place of the longest run"
    assert Lookup([1, 2, 3]).guess([4, 5], 8) == []


def test_guesses_grow_where_they_are_right_and_pause_where_they_are_wrong() -> None:
    lookup = Lookup([1, 2] * 50)
    sizes = []
    for _ in range(4):
        sizes.append(len(lookup.guess([], 99)))
        lookup.judge(sizes[-1], sizes[-1])
    assert sizes == [LEAST, 2 * LEAST, MOST, MOST]
    pauses = []
    for _ in range(9):
        while not lookup.guess([], 99):
            pauses[-1] += 1
        lookup.judge(LEAST, 0)
        pauses.append(0)
    assert pauses[:-1] == [1, 2, 4, 8, 16, 32, 64, LONGEST_PAUSE]
    assert (lookup.proposed, lookup.accepted) == (sum(sizes) + 9 * LEAST, sum(sizes))
