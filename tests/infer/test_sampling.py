"""Sampling: what each knob keeps, at its edges too, and equal to the field's reference where that is installed."""

import pytest
import torch
from pydantic import ValidationError

from trivium.base.errors import ConfigError
from trivium.infer.sampling import Sampling, narrow, penalise, pick

V = 50


def logits(rows: int = 4, seed: int = 0) -> torch.Tensor:
    return 3 * torch.randn(rows, V, generator=torch.Generator().manual_seed(seed))


def kept(scores: torch.Tensor, **options) -> torch.Tensor:
    """How many tokens of each row can still be drawn."""
    return torch.isfinite(narrow(scores, Sampling(temperature=1.0, **options))).sum(dim=-1)


def draw(scores: torch.Tensor, **options) -> list[int]:
    sampling = Sampling(**options)
    return pick(scores, sampling, sampling.generators(len(scores))).tolist()


def test_zero_temperature_is_the_argmax() -> None:
    for options in ({}, {"seed": 1}, {"top_k": 3}, {"top_p": 0.1}, {"min_p": 0.9}):
        assert draw(logits(), temperature=0.0, **options) == logits().argmax(dim=-1).tolist()


@pytest.mark.parametrize("temperature", [1e-3, 1e-30, 1e-44])
def test_a_tiny_temperature_is_nearly_that(temperature: float) -> None:
    assert draw(logits(), temperature=temperature) == logits().argmax(dim=-1).tolist()


@pytest.mark.parametrize(("top_k", "left"), [(1, 1), (7, 7), (V - 1, V - 1), (V, V), (10 * V, V)])
def test_top_k(top_k: int, left: int) -> None:
    assert kept(logits(), top_k=top_k).tolist() == [left] * 4


def test_top_p_at_its_ends() -> None:
    assert kept(logits(), top_p=1.0).tolist() == [V] * 4
    assert kept(logits(), top_p=1e-9).tolist() == [1] * 4
    assert draw(logits(), temperature=1.0, top_p=1e-9) == logits().argmax(dim=-1).tolist()


def test_top_p_keeps_the_fewest_that_reach_it() -> None:
    scores = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log()
    assert [kept(scores, top_p=p).item() for p in (0.4, 0.6, 0.79, 0.9, 0.96)] == [1, 2, 2, 3, 4]


def test_min_p() -> None:
    scores = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log()
    assert [kept(scores, min_p=p).item() for p in (0.0, 0.09, 0.2, 0.5, 1.0)] == [4, 4, 3, 2, 1]


def test_what_is_cut_is_never_drawn() -> None:
    scores = logits(1).expand(2000, V)
    assert set(draw(scores, temperature=2.0, top_k=3, seed=0)) == set(scores[0].topk(3).indices.tolist())


def test_draws_follow_the_probabilities() -> None:
    p = torch.tensor([0.5, 0.3, 0.15, 0.05])
    drawn = torch.bincount(torch.tensor(draw(p.log().expand(20000, 4), temperature=1.0, seed=3)), minlength=4) / 20000
    assert (drawn - p).abs().max() < 0.015


def test_the_same_seed_gives_the_same_draw_and_rows_differ() -> None:
    scores = torch.zeros(64, V)
    first = draw(scores, temperature=1.0, seed=5)
    assert draw(scores, temperature=1.0, seed=5) == first != draw(scores, temperature=1.0, seed=6)
    assert len(set(first)) > 20
    assert draw(scores, temperature=1.0) != draw(scores, temperature=1.0)
    assert draw(scores[:3], temperature=1.0, seed=5) == first[:3], "a row's draw does not depend on the others"


def test_repetition_penalty() -> None:
    scores = torch.tensor([[2.0, -2.0, 1.0, 0.0]])
    assert penalise(scores, [[0, 1, 3, 3, 9]], 2.0).tolist() == [[1.0, -4.0, 1.0, 0.0]]


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": -1.0},
        {"top_k": 0},
        {"top_p": 0.0},
        {"top_p": 1.1},
        {"min_p": -0.1},
        {"repetition_penalty": 0.0},
        {"temperature": float("nan")},
    ],
)
def test_what_makes_no_sense_is_refused(options: dict) -> None:
    with pytest.raises(ValidationError):
        Sampling(**options)


@pytest.mark.parametrize(
    "options",
    [{"top_k": 5}, {"top_p": 0.8}, {"min_p": 0.1}, {"top_k": 20, "top_p": 0.7, "min_p": 0.05}, {"top_p": 0.999}],
)
def test_as_in_transformers(options: dict) -> None:
    transformers = pytest.importorskip("transformers")
    theirs = transformers.LogitsProcessorList([transformers.TemperatureLogitsWarper(0.7)])
    if "top_k" in options:
        theirs.append(transformers.TopKLogitsWarper(options["top_k"]))
    if "top_p" in options:
        theirs.append(transformers.TopPLogitsWarper(options["top_p"]))
    if "min_p" in options:
        theirs.append(transformers.MinPLogitsWarper(options["min_p"]))
    scores = logits(32)
    expected = theirs(torch.zeros(32, 1, dtype=torch.long), scores.clone()).softmax(dim=-1)
    found = narrow(scores, Sampling(temperature=0.7, **options)).softmax(dim=-1)
    assert torch.allclose(found, expected, atol=1e-6)


def test_repetition_penalty_as_in_transformers() -> None:
    transformers = pytest.importorskip("transformers")
    ids = torch.randint(V, (4, 9), generator=torch.Generator().manual_seed(1))
    expected = transformers.RepetitionPenaltyLogitsProcessor(1.7)(ids, logits())
    assert torch.equal(penalise(logits(), ids.tolist(), 1.7), expected)


def test_presence_and_frequency_count_the_new_ids_alone_and_a_bias_is_added() -> None:
    """The formula of OpenAI's API: logit - count * frequency - (count > 0) * presence + bias."""
    sampling = Sampling(presence_penalty=0.5, frequency_penalty=0.25, logit_bias=((7, -3.0), (9, 2.0)))
    scores, text = logits(1), [1, 2, 3, 4, 4, 5]
    found = sampling.bound(scores, [text], 4, 10, ())
    expected = scores.clone()
    for index, count in ((3, 1), (4, 2), (5, 1)):
        expected[0, index] -= 0.5 + 0.25 * count
    expected[0, 7] -= 3
    expected[0, 9] += 2
    assert torch.allclose(found, expected)
    with pytest.raises(ConfigError, match="logit_bias: expected ids from 0 to 49, found 50"):
        Sampling(logit_bias=((V, 1.0),)).bound(scores, [text], 4, 10, ())
