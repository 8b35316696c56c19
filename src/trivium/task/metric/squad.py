"""Exact match and F1 of answers found in a text, by the rules of SQuAD's script, and for Chinese of CMRC 2018's.

English (Rajpurkar et al. 2018, arXiv:1806.03822): lower case, no punctuation, no articles; F1 of words, and of answers
that are empty 1 only if both are. Chinese (Cui et al. 2019, arXiv:1810.07366): no punctuation, a character is a word,
and what counts is the longest run that both share.
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
    """Exact match and F1, the best over the references of each; no references mean that there is no answer."""
    exact, near = exact_english, f1_english
    if chinese(references):
        exact, near = exact_chinese, f1_chinese
    rights = [row or ("",) for row in references]
    count = max(1, len(answers))
    return {
        "rows": len(answers),
        "exact_match": sum(max(exact(a, b) for b in row) for a, row in zip(answers, rights, strict=True)) / count,
        "f1": sum(max(near(a, b) for b in row) for a, row in zip(answers, rights, strict=True)) / count,
    }


def normal(text: str) -> str:
    """A text as SQuAD compares it."""
    text = "".join(char for char in text.lower() if char not in string.punctuation)
    return " ".join(_ARTICLES.sub(" ", text).split())


def exact_english(answer: str, reference: str) -> float:
    """Whether both are the same, but for case, punctuation and articles."""
    return float(normal(answer) == normal(reference))


def f1_english(answer: str, reference: str) -> float:
    """F1 of the words that both share."""
    said, right = normal(answer).split(), normal(reference).split()
    if not said or not right:
        return float(said == right)
    return _f1((Counter(said) & Counter(right)).total(), said, right)


def parts(text: str) -> list[str]:
    """The characters of a Chinese text, and whole words of others, without punctuation."""
    kept = "".join(" " if unicodedata.category(char)[0] in "PS" else char for char in text.lower())
    return _PARTS.findall(kept)


def exact_chinese(answer: str, reference: str) -> float:
    """Whether both are the same, but for case and punctuation."""
    return float(parts(answer) == parts(reference))


def f1_chinese(answer: str, reference: str) -> float:
    """F1 of the longest run that both share."""
    said, right = parts(answer), parts(reference)
    if not said or not right:
        return float(said == right)
    longest, row = 0, [0] * (len(right) + 1)
    for word in said:
        row = [0, *(row[i] + 1 if word == other else 0 for i, other in enumerate(right))]
        longest = max(longest, *row)
    return _f1(longest, said, right)


def _f1(common: int, said: Sequence[str], right: Sequence[str]) -> float:
    return 2 * common / (len(said) + len(right))
