"""The first merges of byte-pair encoding."""

import json
from collections import Counter
from collections.abc import Mapping
from itertools import pairwise

from trivium.study.course.exercise import Case, Exercise
from trivium.token.bpe import SMALLEST, train

TEXT = '''def bpe(words, merges):
    """Return the first merges of byte-pair encoding: a list of [left, right], in the order of making.

    words has how often each word occurs, such as {"low": 5, "lower": 2}. At first each letter is a token. Then,
    `merges` times, the pair of neighbouring tokens that occurs most often in all words becomes one token, everywhere.
    No two of these pairs are equally frequent in the tests.
    """
    raise NotImplementedError
'''

Pair = tuple[str, str]


def cases() -> list[Case]:
    """Return small tables of words without equal counts among the first pairs."""
    hugs, trees = {"hug": 7, "pug": 7, "pun": 1, "bun": 5, "hugs": 9}, {"tree": 7, "three": 9, "there": 5, "the": 9}
    return [(hugs, 3), (trees, 3)]


def ours(words: Mapping[str, int], merges: int) -> list[list[str]]:
    """Return the merges that our tokenizer learns, one word a line."""
    text = "\n".join(word for word, count in words.items() for _ in range(count))
    learned = json.loads(train([text], SMALLEST))["model"]["merges"]
    return [list(pair) if not isinstance(pair, str) else pair.split(" ") for pair in learned[:merges]]


def counted(words: Mapping[tuple[str, ...], int], weighted: bool = True, once: bool = False) -> Counter[Pair]:
    """Return how often each pair occurs."""
    pairs: Counter[Pair] = Counter()
    for word, count in words.items():
        found = [*pairwise(word)]
        for pair in {*found} if once else found:
            pairs[pair] += count if weighted else 1
    return pairs


def joined(word: tuple[str, ...], pair: Pair) -> tuple[str, ...]:
    """Return a word in which a pair is one token, from the left."""
    made: list[str] = []
    at = 0
    while at < len(word):
        both = word[at : at + 2] == pair
        made.append("".join(pair) if both else word[at])
        at += 2 if both else 1
    return tuple(made)


def learned(
    words: Mapping[str, int], merges: int, weighted: bool = True, once: bool = False, last: bool = False
) -> list[list[str]]:
    """Return the merges where pairs are counted in one of the wrong ways; `last` takes the rarest."""
    table = {tuple(word): count for word, count in words.items()}
    made = []
    for _ in range(merges):
        pairs = counted(table, weighted, once)
        pair = (min if last else max)(pairs, key=pairs.__getitem__)
        made.append(list(pair))
        table = {joined(word, pair): count for word, count in table.items()}
    return made


def at_once(words: Mapping[str, int], merges: int) -> list[list[str]]:
    """Return the most frequent pairs of letters."""
    return [list(pair) for pair, _ in counted({tuple(word): n for word, n in words.items()}).most_common(merges)]


MISTAKES = [
    (
        "words count once each; a pair counts as often as its word occurs",
        lambda words, n: learned(words, n, weighted=False),
    ),
    ("these are the most frequent pairs of letters; count again after each merge", at_once),
    ("the rarest pair is merged; take the most frequent", lambda words, n: learned(words, n, last=True)),
    (
        "the merges are joined strings; return pairs [left, right]",
        lambda words, n: ["".join(pair) for pair in ours(words, n)],
    ),
    ("each pair is turned round; return [left, right]", lambda words, n: [pair[::-1] for pair in ours(words, n)]),
    ("one merge is made; go on until there are as many as asked for", lambda words, n: ours(words, 1)),
]

EXERCISE = Exercise("bpe", TEXT, cases, ours, MISTAKES)
