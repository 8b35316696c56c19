"""Texts as they are generated: whole characters, no control tokens, nothing of a stop string."""

import random

import pytest
import torch

import trivium
from trivium.infer.generate import Generation
from trivium.infer.request import Request
from trivium.infer.write import TextStream, write
from trivium.token.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.bytes()


def shown(
    tokenizer: Tokenizer, text: str, stop: list[str], ids: list[int] | None = None
) -> tuple[str, list[str], bool]:
    """What a stream shows: all of it, and after each id."""
    out, steps = TextStream(tokenizer, stop), [""]
    for index in tokenizer.encode(text) if ids is None else ids:
        steps.append(steps[-1] + out.push(index))
        if out.stopped:
            break
    return steps[-1] + out.flush(), steps, out.stopped


@pytest.mark.parametrize("text", ["plain", "naïve 中文測試 😀👩‍👩‍👧 مرحبا", "", "\ud800 half"])
def test_pieces_joined_are_the_whole(tokenizer: Tokenizer, text: str) -> None:
    whole, steps, _ = shown(tokenizer, text, [])
    assert whole == tokenizer.decode(tokenizer.encode(text))
    assert not any("\ufffd" in step for step in steps) or "\ufffd" in whole


def test_half_a_character_at_the_end(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode("ab😀")[:-1]
    whole, steps, _ = shown(tokenizer, "", [], ids)
    assert whole == tokenizer.decode(ids) and steps[-1] == "ab"


@pytest.mark.parametrize(
    ("text", "stop", "expected"),
    [
        ("one\nUser: two", ["\nUser:"], "one"),
        ("one\nUse two", ["\nUser:"], "one\nUse two"),
        ("aaab", ["aab"], "a"),
        ("ababac", ["abac"], "ab"),
        ("xabcy", ["abcd", "c"], "xab"),
        ("中文测试", ["测"], "中文"),
        ("END", ["END"], ""),
        ("almost EN", ["END"], "almost EN"),
        ("nothing", ["", "zzz"], "nothing"),
    ],
)
def test_stop_strings_are_cut_and_never_shown(tokenizer: Tokenizer, text: str, stop: list[str], expected: str) -> None:
    whole, steps, stopped = shown(tokenizer, text, stop)
    assert whole == expected and stopped == (expected != text)
    assert all(expected.startswith(step) for step in steps), "something was shown that is not part of the result"


def test_control_tokens_are_not_shown(tokenizer: Tokenizer) -> None:
    ids = [1, *tokenizer.encode("a"), tokenizer.id_of("<|user|>"), *tokenizer.encode("b</s>"), 0]
    assert shown(tokenizer, "", [], ids)[0] == "ab</s>"


def test_a_stop_string_ends_its_row_only(tokenizer: Tokenizer) -> None:
    torch.manual_seed(0)
    options = {"layers": 2, "hidden_size": 32, "heads": 4, "context": 128, "vocab_size": tokenizer.size}
    transformer = trivium.build("llama", **options).transformer
    with torch.no_grad():
        for parameter in transformer.parameters():
            parameter += 0.4 * torch.randn(parameter.shape)
    rows = [tokenizer.encode("hello"), tokenizer.encode("other one")]

    def run(stop: list[str]) -> tuple[list[str], Generation]:
        made = Generation(transformer, Request(rows, max_new_tokens=40, stop_strings=stop))
        texts = ["", ""]
        for row, piece in write(made, tokenizer):
            texts[row] += piece
        return texts, made

    free, _ = run([])
    stop = next(
        a + b for a, b in zip(free[0], free[0][1:], strict=False) if a + b not in free[1] and "\ufffd" not in a + b
    )
    cut, made = run([stop])
    assert cut == [free[0][: free[0].index(stop)], free[1]]
    assert made.reasons == ["stop", "length"] and len(made.ids[0]) < 40


def test_thousands_of_random_ids_and_stops_are_joined_and_cut_as_the_definition_says(tokenizer: Tokenizer) -> None:
    draw = random.Random(0)
    for _ in range(5000):
        ids = [draw.randrange(tokenizer.size) for _ in range(draw.randrange(16))]
        whole, steps, _ = shown(tokenizer, "", [], ids)
        assert whole == tokenizer.decode(ids, skip_special=True) and all(whole.startswith(step) for step in steps)
        text = "".join(draw.choices("ab", k=draw.randrange(12)))
        stop = ["".join(draw.choices("ab", k=draw.randint(1, 4))) for _ in range(draw.randint(1, 3))]
        ends = (end for end in range(len(text) + 1) if any(text[:end].endswith(one) for one in stop))
        end = next(ends, None)  # where the first stop is complete; the text ends where the longest of those begins
        cut = len(text) if end is None else min(text[:end].find(one) for one in stop if text[:end].endswith(one))
        whole, steps, _ = shown(tokenizer, text, stop)
        assert whole == text[:cut] and all(whole.startswith(step) for step in steps), (text, stop)
