"""Entity metrics: the words that tags with B- and I- join, scored as conlleval does."""

from collections.abc import Iterable, Sequence

Names = Sequence[str]


def entity_metrics(found: Sequence[Names], right: Sequence[Names]) -> dict[str, float]:
    """Return precision, recall and F1 of whole entities, and the accuracy of single tags.

    If no tag begins with B- or I-, every word is an entity, and F1 is that of words.
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
    """Return (first word, word after the last, name) of each entity; as in conlleval, one may begin with I-."""
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
