"""Describe a byte-level BPE tokenizer for the JavaScript of a page; what that has not is an error that names it.

A browser knows the Unicode of its own version: letters that are newer than it may be split in another way there.
"""

import json
import re
from typing import Any

from trivium.base.errors import ModelError
from trivium.token.tokenizer import Tokenizer

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
"""The split that ByteLevel itself makes."""
FOLDED = {"s": "ſ", "k": "K"}
"""The letters beyond ASCII that case folding makes equal to one of ASCII."""
_KNOWN = re.compile(
    r"\(\?i:[a-z'|]+\)|\(\?[:!=]|\((?!\?)|[)|]|(?:[*+?]|\{\d+(?:,\d*)?\})\??(?![*+?])|\\[sSrnt]|\\[pP]\{\w+\}|"
    r"\[\^?(?:\\[sSrnt]|\\[pP]\{\w+\}|[^\\\[\]&])+\]|[^\\\[\](){}*+?|^$.]"
)
"""The parts of an expression that Oniguruma and a browser read in the same way."""


def describe(tokenizer: Tokenizer) -> dict[str, Any]:
    """Return the names, merges and splits of a tokenizer. ModelError: it is no byte-level BPE of plain text."""
    tree = json.loads(tokenizer.json)
    model, added = tree["model"], tree.get("added_tokens") or []
    _check(tree)
    names: list[str | None] = [None] * tokenizer.size
    for name, index in model["vocab"].items():
        names[index] = name
    for token in added:
        names[token["id"]] = token["content"]
    pairs = [merge.split(" ") if isinstance(merge, str) else merge for merge in model["merges"]]
    special = {names[index] for index in tokenizer.special}
    if made := next((a + b for a, b in pairs if a + b in special), None):
        raise _other(f"a merge that makes the special token {made}")
    plain = [token for token in added if token["id"] not in tokenizer.special]
    if wide := [token["content"] for token in plain if token["lstrip"] or token["rstrip"] or token["single_word"]]:
        raise _other(f"the added token {wide[0]!r}, which takes its neighbours into account")
    return {
        "names": names,
        "merges": [model["vocab"][part] for pair in pairs for part in pair],
        "special": sorted(tokenizer.special),
        "literal": [token["id"] for token in plain],
        "added": {
            kind: [token["content"] for token in plain if token.get("normalized", True) is normal]
            for kind, normal in (("raw", False), ("normal", True))
        },
        "splits": _splits(tree),
        "nfc": bool(tree.get("normalizer")),
        "whole": bool(model.get("ignore_merges")),
        "mask": _mask(tokenizer, added),
    }


def _check(tree: dict[str, Any]) -> None:
    model = tree["model"]
    wrong = {
        f"a model of kind {model.get('type')}": model.get("type") != "BPE",
        "the decoder": (tree.get("decoder") or {}).get("type") != "ByteLevel",
        f"the normalizer {(tree.get('normalizer') or {}).get('type')}": (tree.get("normalizer") or {}).get(
            "type", "NFC"
        )
        != "NFC",
        **{key: bool(model.get(key)) for key in ("byte_fallback", "continuing_subword_prefix", "end_of_word_suffix")},
        "dropout": bool(model.get("dropout")),
    }
    if found := [what for what, bad in wrong.items() if bad]:
        raise _other(found[0])


def _splits(tree: dict[str, Any]) -> list[str]:
    """Return the expressions at which a text is cut, one after another."""
    before = tree.get("pre_tokenizer") or {}
    *parts, last = before.get("pretokenizers") or [before]
    if last.get("type") != "ByteLevel" or last.get("add_prefix_space"):
        raise _other(f"the pre_tokenizer {last.get('type')}" + " with a space before a text" * (len(last) > 1))
    found = []
    for part in parts:
        pattern = (part.get("pattern") or {}).get("Regex")
        if part.get("type") == "Digits" and part.get("individual_digits"):
            found.append(r"\p{N}")
        elif part.get("type") == "Split" and pattern and part.get("behavior") == "Isolated" and not part.get("invert"):
            found.append(translate(pattern))
        else:
            raise _other(f"the pre_tokenizer {part.get('type')}")
    return [*found, translate(GPT2)] if last.get("use_regex", True) else found


def translate(pattern: str) -> str:
    """Return an expression of Oniguruma as one of JavaScript; ModelError where it has parts that differ."""
    found, at = [], 0
    while at < len(pattern):
        if (part := _KNOWN.match(pattern, at)) is None:
            raise _other(f"the split {pattern!r:.200}, from {pattern[at : at + 8]!r} on")
        found.append(part[0])
        at = part.end()
    text = "".join(_either(part) if part.startswith("(?i:") else part for part in found)
    return text.replace(r"\s", r"\p{White_Space}").replace(r"\S", r"\P{White_Space}")


def _either(group: str) -> str:
    """Return a group without regard to case as one of both cases."""
    return "(?:" + re.sub("[a-z]", lambda one: f"[{one[0]}{one[0].upper()}{FOLDED.get(one[0], '')}]", group[4:])


def _mask(tokenizer: Tokenizer, added: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the id of the mask token, and whether it takes the white space on its left and right."""
    index = tokenizer.vocabulary.mask
    token = next((one for one in added if one["id"] == index), None)
    return None if token is None else {"id": index, "left": token["lstrip"], "right": token["rstrip"]}


def _other(what: str) -> ModelError:
    return ModelError(f"tokenizer.json: {what}: a page reads byte-level BPE of plain text")
