"""Section: a text that is part of a longer string, beside special tokens or behind other text.

Stock tools encode a string with special tokens section by section: the text between two of them is one section.
SentencePiece's tokenizers (Metaspace) may put a space before the first section alone, and a special token may take the
white space beside it (`lstrip`, `rstrip`). This file knows trees of a tokenizer.json and texts, but no ids of texts.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

Place = Literal["start", "section", "inside"]
"""Where a text stands: at the start of a string, after a special token, or right after other text."""
SPACES = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f"
    "\u205f\u3000"
)
"""The white space that a special token takes: that of Unicode, as `tokenizers` has it."""


def placed(tree: Mapping[str, Any], place: Place) -> dict[str, Any]:
    """Return a tokenizer.json that reads every text as one at this place."""
    if place == "start":
        return dict(tree)
    before, normal = tree.get("pre_tokenizer"), tree.get("normalizer")
    if place == "inside":
        normal = _without_prefix(normal)
    return {**tree, "normalizer": normal, "pre_tokenizer": _unprefixed(before, place == "inside")}


def _unprefixed(part: Any, inside: bool) -> Any:
    """Return a pre-tokenizer that puts no space before a text, or none but the one that every section has."""
    match part:
        case {"type": "Sequence", "pretokenizers": [first, *others]}:
            # Behind another split, a space is put before each word, wherever the text stands.
            return {**part, "pretokenizers": [_unprefixed(first, inside), *(_unprefixed(one, False) for one in others)]}
        case {"type": "Metaspace"} if inside or part.get("prepend_scheme") == "first":
            return {**part, "prepend_scheme": "never", "add_prefix_space": False}
        case {"type": "ByteLevel"} if inside:
            return {**part, "add_prefix_space": False}
    return part


def _without_prefix(part: Any) -> Any:
    """Return a normalizer that puts nothing before a text."""
    match part:
        case {"type": "Prepend"}:
            return None
        case {"type": "Sequence", "normalizers": parts}:
            return {**part, "normalizers": [one for one in map(_without_prefix, parts) if one is not None]}
    return part


def taken(parts: Sequence[str | int], sides: Mapping[int, tuple[bool, bool]]) -> list[str | int]:
    """Return texts and special ids of a string without the white space that the special tokens take.

    `sides` says of an id whether it takes the white space on its left and on its right.
    """
    found, right = list(parts), False
    for at, part in enumerate(parts):
        if isinstance(part, int):
            left, right = sides.get(part, (False, False))
            for before in reversed(range(at if left else 0)):
                text = found[before]
                if isinstance(text, int):
                    break
                found[before] = text.rstrip(SPACES)
                if found[before]:
                    break
        elif right:
            found[at] = part.lstrip(SPACES)
            right = not found[at]
    return found
