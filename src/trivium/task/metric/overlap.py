"""Overlap of generated texts with references: exact match, ROUGE, BLEU, chrF, the best over several references.

ROUGE is that of the `rouge-score` package (lower case, letters and digits, no stemming), but every Chinese, Japanese or
Korean character is a word. BLEU and chrF are those of sacrebleu, over the whole corpus.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from typing import Any

from trivium.base.errors import DataError
from trivium.base.log import say

HAN = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af"
_WORD = re.compile(f"[a-z0-9]+|[{HAN}]")
_HAN = re.compile(f"[{HAN}]")


def exact_match(answer: str, references: Sequence[str]) -> float:
    """Return 1 if the answer is one of the references, without white space around it, else 0."""
    return float(answer.strip() in {reference.strip() for reference in references})


def rouge(answer: str, references: Sequence[str], n: int | None) -> float:
    """Return F1 of ROUGE-n, or of ROUGE-L if n is None (Lin 2004), the best over the references."""
    count = partial(_shared, n=n) if n else _subsequence
    said, best = _WORD.findall(answer.lower()), 0.0
    for reference in references:
        common, ours, theirs = count(said, _WORD.findall(reference.lower()))
        best = max(best, 2 * common / (ours + theirs) if common else 0.0)
    return best


def bleu(answers: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """Return corpus BLEU, 0 to 100; Chinese is split into characters, other languages by sacrebleu's 13a."""
    tokenize = "zh" if chinese(references) else "13a"
    return float(_sacrebleu().corpus_bleu(list(answers), _streams(references), tokenize=tokenize).score)


def chrf(answers: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """Return corpus chrF2, 0 to 100 (Popović 2015)."""
    return float(_sacrebleu().corpus_chrf(list(answers), _streams(references)).score)


def chinese(references: Sequence[Sequence[str]]) -> bool:
    """Return whether at least a third of the letters of the references are Chinese, Japanese or Korean characters."""
    text = "".join(text for row in references for text in row)
    letters = sum(char.isalpha() for char in text)
    return 3 * len(_HAN.findall(text)) >= letters > 0


PER_ROW: dict[str, Callable[[str, Sequence[str]], float]] = {
    "exact_match": exact_match,
    "rouge_1": partial(rouge, n=1),
    "rouge_2": partial(rouge, n=2),
    "rouge_l": partial(rouge, n=None),
}
PER_CORPUS: dict[str, Callable[[Sequence[str], Sequence[Sequence[str]]], float]] = {"bleu": bleu, "chrf": chrf}


def measure(names: Sequence[str], answers: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    """Return these metrics over all rows: means from 0 to 1, BLEU and chrF from 0 to 100."""
    assert len(answers) == len(references), "an answer for each row"
    found = {}
    for name in names:
        if name in PER_ROW:
            scores = [PER_ROW[name](answer, row) for answer, row in zip(answers, references, strict=True)]
            found[name] = sum(scores) / max(1, len(scores))
        else:
            found[name] = PER_CORPUS[name](answers, references) if answers else 0.0
    return found


def available(names: Sequence[str]) -> list[str]:
    """Return the metrics that this installation can measure; tell which ones it cannot, instead of an error."""
    corpus = [name for name in names if name in PER_CORPUS]
    if not corpus or find_spec("sacrebleu"):
        return list(names)
    say(f"{', '.join(corpus)}: not measured, for they need sacrebleu: pip install 'trivium[eval]'")
    return [name for name in names if name not in corpus]


def _sacrebleu() -> Any:
    try:
        import sacrebleu
    except ImportError:
        raise DataError("BLEU and chrF need sacrebleu: pip install 'trivium[eval]'") from None
    return sacrebleu


def _streams(references: Sequence[Sequence[str]]) -> list[list[str | None]]:
    """Return references as sacrebleu takes them: the first of every row, then the second, None where one is missing."""
    most = max(len(row) for row in references)
    return [[row[i] if i < len(row) else None for row in references] for i in range(most)]


def _shared(said: list[str], right: list[str], n: int) -> tuple[int, int, int]:
    """Return how many n-grams two texts share, and how many each has."""
    a, b = (Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1)) for words in (said, right))
    return (a & b).total(), a.total(), b.total()


def _subsequence(said: list[str], right: list[str]) -> tuple[int, int, int]:
    """Return the length of the longest common subsequence, computed row by row, and the lengths of both texts."""
    row = [0] * (len(right) + 1)
    for word in said:
        before = 0
        for i, other in enumerate(right, start=1):
            before, row[i] = row[i], before + 1 if word == other else max(row[i], row[i - 1])
    return row[-1], len(said), len(right)
