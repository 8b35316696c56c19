"""The fast encoder: `fastokens`, used only where it is installed and a self-check finds it equal to `tokenizers`.

It is about forty times faster on bulk text. Without the package `tokenizers` encodes; so it does, with a warning, where
the package cannot read a tokenizer or differs on any of about two hundred samples.
"""

import json
import logging
import math
import random
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from typing import Any

import tokenizers

from trivium.base.errors import DataError

try:
    import fastokens
except ImportError:  # it is an extra
    fastokens = None

log = logging.getLogger(__name__)

_BLOCKS = "20-7F 0-20 A0-250 300-370 400-500 600-700 900-980 E00-E80 2000-2070 3040-3100 4E00-9FFF AC00-D7A4 FE00-FE10"
_BLOCKS += " 1F300-1FAFF 10000-10FFFF"
_PLAIN = ["", " ", "\n", "  a", "it's IT'S we'll", "1234567 12.5e-3", "a\r\n\r\n b\t\tc  ", "x" * 300, "中文，测试。"]
_PLAIN += ["e\u0301"]


LONGEST = 1000
"""The most characters that the normalizer of a foreign folder may make of one."""
Encoders = tuple[tokenizers.Tokenizer, Any]


@lru_cache(maxsize=8)
def encoders(text: str) -> Encoders:
    """Return the reference encoder of a tokenizer.json, and the fast one if it agrees; both are shared."""
    if (times := growth((tree := json.loads(text)).get("normalizer"))) > LONGEST:
        raise DataError(f"its normalizer makes a text up to {times:.3g} times as long; expected at most {LONGEST:,}")
    reference = tokenizers.Tokenizer.from_str(text)
    reference.encode_special_tokens = True
    return reference, fast(tree, reference)


def growth(normalizer: Any) -> float:
    """Return how many characters a normalizer of a tokenizer.json may make of one, at most."""
    if not isinstance(normalizer, dict):
        return 1.0
    if normalizer.get("type") == "Sequence":
        return math.prod(map(growth, normalizer.get("normalizers") or ()))
    pattern = normalizer.get("pattern") or {}
    least = len(pattern.get("String", "")) if isinstance(pattern, dict) else 1
    return max(1.0, len(str(normalizer.get("content") or normalizer.get("prepend") or "")) / max(1, least))


@contextmanager
def bounded() -> Iterator[None]:
    """Turn what the libraries cannot do into a DataError: a regular expression that tries too much, a panic in Rust."""
    try:
        yield
    except BaseException as wrong:
        if not isinstance(wrong, ValueError) and type(wrong).__name__ != "PanicException":
            raise
        raise DataError(f"the tokenizer failed: {str(wrong).strip().splitlines()[0]:.200}") from None


def fast(tree: dict[str, Any], reference: tokenizers.Tokenizer) -> Any:
    """Return the fast encoder of a tokenizer.json without its special tokens, or None where its ids differ."""
    if fastokens is None:
        return None
    added = tree.get("added_tokens") or []
    content = {**tree, "added_tokens": [token for token in added if not token["special"]]}
    try:
        encoder = fastokens.Tokenizer.from_json_str(json.dumps(content))
        for text in _samples(tuple(token["content"] for token in added)):
            if encoder.encode(text).ids != reference.encode(text, add_special_tokens=False).ids:
                return _warn(f"fastokens and tokenizers differ on {text!r}")
    except Exception as failed:  # a model that it does not know: the reference still works
        return _warn(f"fastokens cannot read this tokenizer ({failed})")
    return encoder


@cache
def _warn(why: str) -> None:
    """Warn once for each reason."""
    log.warning(f"{why}; encoding with tokenizers, which is slower")


@cache
def _samples(names: tuple[str, ...]) -> list[str]:
    """Return texts on which encoders may differ: plain, hostile and random ones."""
    draw = random.Random(0)
    blocks = [tuple(int(end, 16) for end in block.split("-")) for block in _BLOCKS.split()]
    mixed = [f"{a}{name}{b}" for name in names[:60] for a, b in (("", ""), ("a ", " b"))]
    fuzz = [
        "".join(chr(draw.randrange(*draw.choice(blocks))) for _ in range(draw.randrange(1, 40))) for _ in range(150)
    ]
    words = [
        " ".join("".join(draw.choices("aeinorst'-_.(1A", k=draw.randrange(1, 9))) for _ in range(9)) for _ in range(40)
    ]
    return [*_PLAIN, *mixed, *fuzz, *words]
