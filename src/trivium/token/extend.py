"""Extend: add special tokens to a tokenizer, at its end, so that no existing id changes."""

import json
from collections.abc import Sequence

from trivium.base.errors import DataError
from trivium.token.tokenizer import Tokenizer


def extend(tokenizer: Tokenizer, names: Sequence[str]) -> Tokenizer:
    """Return the tokenizer with further special tokens; special tokens that it has already stay as they are.

    Raises DataError for a name with white space around it, and for a name that is an ordinary token already.
    """
    if blank := [name for name in names if not name.strip() or name != name.strip()]:
        raise DataError(f"tokens: expected names without white space around them, found {blank[0]!r}")
    new = [name for name in dict.fromkeys(names) if name not in tokenizer]
    if plain := [name for name in names if name not in new and tokenizer.id_of(name) not in tokenizer.special]:
        raise DataError(f"tokens: {plain[0]!r} is an ordinary token of this tokenizer, which text may contain")
    if not new:
        return tokenizer
    tree = json.loads(tokenizer.json)
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    tree["added_tokens"] = [
        *(tree.get("added_tokens") or []),
        *({"id": tokenizer.size + i, "content": name, **flags, "special": True} for i, name in enumerate(new)),
    ]
    return tokenizer.replace(json.dumps(tree, ensure_ascii=False))
