"""Exact match and F1 of answers from a context, by the rules of SQuAD, and for Chinese by those of CMRC 2018.

English (Rajpurkar et al. 2018, arXiv:1806.03822): lower case, no punctuation, no articles; F1 counts shared words.
Chinese (Cui et al. 2019, arXiv:1810.07366): no punctuation, each character is a word, and F1 counts the longest run of
words that both answers share. An empty answer has F1 1 if both are empty, else 0.
"""

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Sequence

from trivium.task.metric.overlap import chinese

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PARTS = re.compile("[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\\s\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+")


def squad_metrics(answers: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    """Return exact match and F1, the best over the references of each answer; no references mean no answer."""
    words, shared = (parts, longest_run) if chinese(references) else (normal, overlap)
    exact = near = 0.0
    for answer, row in zip(answers, references, strict=True):
        said, rights = words(answer), [words(right) for right in row or ("",)]
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


def parts(text: str) -> list[str]:
    """Return the characters of a Chinese text, and whole words of other scripts, without punctuation."""
    kept = "".join(" " if unicodedata.category(char)[0] in "PS" else char for char in text.lower())
    return _PARTS.findall(kept)


def longest_run(said: list[str], right: list[str]) -> int:
    """Return the length of the longest run of words that two texts share."""
    longest, row = 0, [0] * (len(right) + 1)
    for word in said:
        row = [0, *(row[i] + 1 if word == other else 0 for i, other in enumerate(right))]
        longest = max(longest, *row)
    return longest
