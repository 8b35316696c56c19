"""How right labels are: of texts, and of the entities that tags of words spell out."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

Names = Sequence[str]


def label_metrics(
    found: Sequence[Names], right: Sequence[Names], labels: Names, other: str | None = None
) -> dict[str, Any]:
    """Accuracy (all labels of a text right), macro F1 (over labels that occur) and, for one label a text, `confusion`.

    `confusion[i][j]` counts texts of label i that were called j, both as in `labels`; `other`, where it was said, is a
    last column.
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
        columns = [*labels, other] if other is not None and any(row[0] == other for row in found) else [*labels]
        out |= {"labels": columns, "confusion": [[counts[i, j] for j in columns] for i in labels]}
    return out


def f1(label: str, found: Sequence[Names], right: Sequence[Names]) -> float | None:
    """F1 of one label; None where it neither occurs nor was said."""
    both = sum(label in a and label in b for a, b in zip(found, right, strict=True))
    said, is_there = sum(label in a for a in found), sum(label in b for b in right)
    return 2 * both / (said + is_there) if said + is_there else None


def entity_metrics(found: Sequence[Names], right: Sequence[Names]) -> dict[str, float]:
    """Precision, recall and F1 of whole entities, as conlleval counts them, and accuracy of tags.

    Where no tag begins with B- or I-, every word is an entity of its own and F1 is that of words.
    """
    ours, theirs = ({(i, *one) for i, tags in enumerate(rows) for one in entities(tags)} for rows in (found, right))
    both = len(ours & theirs)
    words = [a == b for row, other in zip(found, right, strict=True) for a, b in zip(row, other, strict=True)]
    return {
        "rows": len(right),
        "entity_f1": 2 * both / (len(ours) + len(theirs)) if ours or theirs else 1.0,
        "precision": both / len(ours) if ours else 0.0,
        "recall": both / len(theirs) if theirs else 0.0,
        "accuracy": sum(words) / max(1, len(words)),
    }


def entities(tags: Iterable[str]) -> list[tuple[int, int, str]]:
    """(first word, word behind the last, name) of each entity; one may begin with I-, as conlleval allows."""
    found: list[tuple[int, int, str]] = []
    begin, name = 0, ""
    for at, tag in enumerate((*tags, "O")):
        mark, dash, kind = tag.partition("-")
        if not (dash and mark in ("B", "I", "E", "S")):
            mark, kind = ("O", "") if tag == "O" else ("B", tag)
        if name and (mark in ("B", "S", "O") or kind != name):
            found.append((begin, at, name))
            name = ""
        if mark != "O" and not name:
            begin, name = at, kind
    return found
