"""Classification metrics: accuracy, macro F1, confusion matrix."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from trivium.base.log import warn

Names = Sequence[str]


def label_metrics(found: Sequence[Names], right: Sequence[Names], labels: Names, other: str = "") -> dict[str, Any]:
    """Return accuracy (all labels of a text are right), macro F1 (over labels that occur) and `confusion`.

    `confusion[i][j]` counts the texts of label i that got label j, in the order of `labels`; it is left out if a text
    has more labels than one. `other` is a last column, if it was said.
    """
    scores = [f1(label, found, right) for label in labels]
    present = [score for score in scores if score is not None]
    out: dict[str, Any] = {
        "rows": len(right),
        "accuracy": sum(set(a) == set(b) for a, b in zip(found, right, strict=True)) / max(1, len(right)),
        "macro_f1": sum(present) / max(1, len(present)),
    }
    if all(len(row) == 1 for row in (*found, *right)):
        counts = Counter((b[0], a[0]) for a, b in zip(found, right, strict=True))
        columns = [*labels, *([other] if any(row[0] == other for row in found) else [])]
        out |= {"labels": columns, "confusion": [[counts[i, j] for j in columns] for i in labels]}
    return out


def f1(label: str, found: Sequence[Names], right: Sequence[Names]) -> float | None:
    """Return F1 of one label; None if it does not occur and was not said."""
    both = sum(label in a and label in b for a, b in zip(found, right, strict=True))
    said, is_there = sum(label in a for a in found), sum(label in b for b in right)
    return 2 * both / (said + is_there) if said + is_there else None


def warn_of_one_class(found: Sequence[Names], right: Sequence[Names]) -> None:
    """Warn where every prediction is one class although the right answers are not."""
    said = {tuple(sorted({*names})) for names in found}
    if len(said) == 1 and len({tuple(sorted({*names})) for names in right}) > 1:
        name = ", ".join(*said) or "no label"
        warn(f"all {len(found):,} predictions are {name[:60]!r}: the model tells nothing apart")
