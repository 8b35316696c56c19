"""How near an answer comes to what would be right: plain functions of strings, the best over several references."""

import re
from collections.abc import Sequence

_WORD = re.compile(r"[a-z0-9]+")


def exact_match(answer: str, references: Sequence[str]) -> float:
    """1 if the answer is one of the references, white space around it aside, else 0."""
    return float(answer.strip() in {reference.strip() for reference in references})


def rouge_l(answer: str, references: Sequence[str]) -> float:
    """ROUGE-L F1 of lower-cased words (Lin 2004), the best over the references."""
    return max((_rouge_l(answer, reference) for reference in references), default=0.0)


def _rouge_l(answer: str, reference: str) -> float:
    said, right = _WORD.findall(answer.lower()), _WORD.findall(reference.lower())
    if not said or not right:
        return 0.0
    # The longest common subsequence, one row of its table at a time.
    row = [0] * (len(right) + 1)
    for word in said:
        before = 0
        for i, other in enumerate(right, start=1):
            before, row[i] = row[i], before + 1 if word == other else max(row[i], row[i - 1])
    common = row[-1]
    precision, recall = common / len(said), common / len(right)
    return 2 * precision * recall / (precision + recall) if common else 0.0
