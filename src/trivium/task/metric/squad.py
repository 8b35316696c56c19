"""Exact match and F1 of answers from a context, by the rules of SQuAD, and for Chinese by those of CMRC 2018.

English (Rajpurkar et al. 2018, arXiv:1806.03822): lower case, no punctuation, no articles; F1 counts shared words.
Chinese (Cui et al. 2019, arXiv:1810.07366): no punctuation, each character is a word, and F1 counts the longest run of
words that both answers share. An empty answer has F1 1 if both are empty, else 0.
"""

import re
import string
from collections import Counter
from collections.abc import Sequence

from trivium.corpus.clean.language import UNSPACED, guess
from trivium.task.metric.overlap import words

_ARTICLES = re.compile(r"\b(a|an|the)\b")


def squad_metrics(
    answers: Sequence[str], references: Sequence[Sequence[str]], contexts: Sequence[str] = ()
) -> dict[str, float]:
    """Return exact match and F1, the best over the references of each answer; no references mean no answer.

    Each row is compared by the rules of the language of its context; without contexts, of its references.
    """
    exact = near = 0.0
    for i, (answer, row) in enumerate(zip(answers, references, strict=True)):
        chinese = guess(contexts[i] if contexts else " ".join(row) or answer) in UNSPACED
        split, shared = (words, longest_run) if chinese else (normal, overlap)
        said, rights = split(answer), [split(right) for right in row or ("",)]
        exact += max(said == right for right in rights)
        near += max(
            2 * shared(said, right) / (len(said) + len(right)) if said and right else float(said == right)
            for right in rights
        )
    count = max(1, len(answers))
    return {"rows": len(answers), "exact_match": exact / count, "f1": near / count}


def normal(text: str) -> list[str]:
    """Return the words of an English text as SQuAD compares them."""
    text = "".join(char for char in text.lower() if char not in string.punctuation)
    return _ARTICLES.sub(" ", text).split()


def overlap(said: list[str], right: list[str]) -> int:
    """Return how many words two texts share."""
    return (Counter(said) & Counter(right)).total()


def longest_run(said: list[str], right: list[str]) -> int:
    """Return the length of the longest run of words that two texts share."""
    longest, row = 0, [0] * (len(right) + 1)
    for word in said:
        row = [0, *(row[i] + 1 if word == other else 0 for i, other in enumerate(right))]
        longest = max(longest, *row)
    return longest
