"""Entity metrics: the words that tags join, by the rules of their scheme.

IOB1 and IOB2 are read as conlleval does (Tjong Kim Sang and De Meulder 2003), IOBES, BILOU and BMES strictly, as the
strict mode of seqeval does: an entity that does not begin and end by the rules is none.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

Names = Sequence[str]
Scheme = Literal["iob1", "iob2", "iobes", "bilou", "bmes", "words"]
MARKS: dict[Scheme, frozenset[str]] = {
    "iob2": frozenset("BI"),
    "iobes": frozenset("BIES"),
    "bilou": frozenset("BILU"),
    "bmes": frozenset("BMES"),
}
"""The marks of the schemes; the first that has all marks of the tags is taken."""
_SAME = {"M": "I", "L": "E", "U": "S"}
"""The marks of BMES and BILOU, and those of IOBES that mean the same."""


def entity_metrics(found: Sequence[Names], right: Sequence[Names], scheme: Scheme = "iob2") -> dict[str, float]:
    """Return precision, recall and F1 of whole entities, and the accuracy of single tags.

    In the scheme `words` every word is an entity, and F1 is that of words. Without any entity F1 is 0.
    """
    read = entities if scheme in ("iob1", "iob2", "words") else strict_entities
    ours, theirs = ({(i, *one) for i, tags in enumerate(rows) for one in read(tags)} for rows in (found, right))
    both = len(ours & theirs)
    words = [a == b for row, other in zip(found, right, strict=True) for a, b in zip(row, other, strict=True)]
    return {
        "rows": len(right),
        "entity_f1": 2 * both / max(1, len(ours) + len(theirs)),
        "precision": both / max(1, len(ours)),
        "recall": both / max(1, len(theirs)),
        "accuracy": sum(words) / max(1, len(words)),
    }


def scheme_of(rows: Iterable[Names]) -> Scheme:
    """Return the scheme of the tags of rows; `words` where they have no marks.

    With the marks B and I alone it is IOB2 if every entity begins with B, else IOB1.
    """
    parted = [[_parted(tag) for tag in row] for row in rows]
    tags = {tag for row in parted for tag in row if tag != ("O", "")}
    marks = {mark for mark, _ in tags}
    bare = {name for _, name in tags} == {""} and not ("B" in marks and marks & set("IMEL"))
    scheme: Scheme = next((name for name, known in MARKS.items() if marks <= known and marks), "words")
    if scheme == "words" or bare:
        return "words"
    if marks <= MARKS["iob2"]:
        pairs = ((before, tag) for row in parted for before, tag in zip([("O", ""), *row], row, strict=False))
        begun = any(tag[0] == "I" and (before[0] == "O" or before[1] != tag[1]) for before, tag in pairs)
        return "iob1" if begun else "iob2"
    return scheme


def _parted(tag: str) -> tuple[str, str]:
    """Return the mark and the name of a tag; a tag without a mark is its own mark."""
    mark, _, name = tag.partition("-")
    return (mark, name) if len(mark) == 1 else (tag, "")


def strict_entities(tags: Iterable[str]) -> list[tuple[int, int, str]]:
    """Return (first word, word after the last, name) of each entity: S, or B, any number of I, and E, of one name."""
    parted = [(_SAME.get(mark, mark), name) for mark, name in map(_parted, tags)]
    found = []
    for at, (mark, name) in enumerate(parted):
        end = at + 1
        if mark == "B":
            while end < len(parted) and parted[end] == ("I", name):
                end += 1
        if mark == "S" or (mark == "B" and end < len(parted) and parted[end] == ("E", name)):
            found.append((at, end + (mark == "B"), name))
    return found


def entities(tags: Iterable[str]) -> list[tuple[int, int, str]]:
    """Return (first word, word after the last, name) of each entity; as in conlleval, one may begin with I-."""
    found: list[tuple[int, int, str]] = []
    begin, name = -1, ""
    for at, tag in enumerate((*tags, "O")):
        mark, kind = _parted(tag)
        if tag != "O" and mark not in (("B", "I", "E", "S") if kind else ("B", "I")):
            mark, kind = "B", tag  # a tag without a mark is an entity by itself
        if begin >= 0 and (mark in ("B", "S", "O") or kind != name):
            found.append((begin, at, name))
            begin = -1
        if mark != "O" and begin < 0:
            begin, name = at, kind
    return found
