"""Sentences: where they begin and end in a text, with nothing of the text lost.

The rules are those of `sentencex` for the language given; `language` guesses one from the script, which is enough to
choose the rules. Known weaknesses of the rules: abbreviations such as French "M." and Russian "т.е." end a sentence,
and Thai, which writes no full stops, is not split.
"""

import numpy as np
import sentencex

from trivium.text.tokenizer import scrub

# The first code point of each script and the language that stands for it; "" belongs to no language. Letters of
# scripts that many languages share go to the one whose rules suit most of them.
_SCRIPTS = [
    (0x0000, ""), (0x0041, "en"), (0x005B, ""), (0x0061, "en"), (0x007B, ""), (0x00C0, "en"), (0x0250, ""),
    (0x0370, "el"), (0x0400, "ru"), (0x0530, "hy"), (0x0590, "he"), (0x0600, "ar"), (0x0700, ""), (0x0900, "hi"),
    (0x0980, "bn"), (0x0A00, "pa"), (0x0A80, "gu"), (0x0B00, "or"), (0x0B80, "ta"), (0x0C00, "te"), (0x0C80, "kn"),
    (0x0D00, "ml"), (0x0D80, "si"), (0x0E00, "th"), (0x0E80, "lo"), (0x0F00, ""), (0x1000, "my"), (0x10A0, "ka"),
    (0x1100, "ko"), (0x1200, "am"), (0x13A0, ""), (0x1780, "km"), (0x1800, ""), (0x3040, "ja"), (0x3100, ""),
    (0x3400, "zh"), (0xA000, ""), (0xAC00, "ko"), (0xD7B0, ""), (0xF900, "zh"), (0xFB00, ""), (0x20000, "zh"),
    (0x32000, ""),
]  # fmt: skip
_STARTS = np.array([start for start, _ in _SCRIPTS], dtype=np.uint32)
_NAMES = sorted({name for _, name in _SCRIPTS})
_CODES = np.array([_NAMES.index(name) for _, name in _SCRIPTS])

UNSPACED = frozenset({"zh", "ja", "th", "lo", "my", "km"})
"""Languages that write no space between words: count their characters, not their words."""


def language(text: str, sample: int = 4096) -> str:
    """Guess a language from the scripts of the first `sample` characters; "en" where there are no letters."""
    codes = np.frombuffer(text[:sample].encode("utf-32-le", "replace"), np.uint32)
    found = np.bincount(_CODES[np.searchsorted(_STARTS, codes, side="right") - 1], minlength=len(_NAMES))
    count = {name: int(n) for name, n in zip(_NAMES, found, strict=True) if name and n}
    if not count:
        return "en"
    # A word of Latin letters takes as much room as a few ideographs, and stands in every script's texts.
    count["en"] = count.get("en", 0) // 3
    # Japanese writes kana between Chinese characters; Chinese writes none.
    if count.get("ja", 0) * 20 > count.get("zh", 0):
        count["ja"] = count.get("ja", 0) + count.pop("zh", 0)
    return max(sorted(count), key=lambda name: count[name])


def spans(text: str, language: str) -> list[tuple[int, int]]:
    """The (start, end) of every sentence, in characters; joined they are the text, each with the space after it."""
    text = scrub(text)
    starts = [0]
    for boundary in sentencex.get_sentence_boundaries(language, text):
        start = boundary["start_index"]
        # White space alone is no sentence: it stays with the one before, or at the beginning with the first.
        if boundary["text"].strip() and start > starts[-1] and (len(starts) > 1 or text[:start].strip()):
            starts.append(start)
    return list(zip(starts, [*starts[1:], len(text)], strict=True)) if text else []


def split(text: str, language: str) -> list[str]:
    """The sentences of a text; joined they are the text."""
    return [text[start:end] for start, end in spans(text, language)]
