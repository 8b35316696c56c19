"""Sentences: where they begin and end in a text; no character is lost.

`sentencex` has the rules of each language; a language guessed from the script is good enough. Three rules are added: a
short form before its number ends no sentence ("eq. 4"), a whole sentence in brackets is one by itself, and a Chinese or
Japanese quotation does not end the sentence that goes on behind it. Known weaknesses: French "M." and Russian "т.е."
end a sentence, and Thai, which writes no full stops, is not split.
"""

import re
from collections.abc import Iterator

import sentencex

from trivium.token.tokenizer import scrub

_NUMBERED = re.compile(
    r"\b(?:eqs?|eqns?|chs?|chaps?|secs?|sect|tabs?|figs?|vols?|refs?|defs?|thms?|cor|lem|exs?|nos?|pp?|ll?|op|arts?|pars?"
    r"|paras?|app|appx|ver|eds?|min|approx|ca|resp|incl|excl|max|avg|est|cf)\.\s*$",
    re.IGNORECASE,
)
"""Short forms that a number follows."""
_WITHIN = re.compile(r"\b(?:approx|ca|resp|incl|excl|max|temp|avg|est|cf|viz|appt|dept)\.\s*$", re.IGNORECASE)
"""Short forms that any word follows."""
_ITEM = re.compile(r"\s*(?:\d{1,3}|[a-zA-HJ-Z])\.[^\S\n]+")
"""The number of a list item."""
_BRACKETED = re.compile(
    r"\s*(?:\((?=[^\W\d_a-z]\w)[^()\n]*[.!?]['\"”’]?\)\s+(?![a-z])|（[^（）\n]*[。！？…][”’」』]?）(?=[^\W_]|[“「『（])\s*"
    r"|\([^()\n]*[。！？…][”’」』]?\)(?=[^\W_])\s*)"
)
"""A whole sentence in brackets, and text behind it that is another one."""
WINDOW, MARGIN = 10_000, 500
"""Characters of Chinese or Japanese that are split at once, and those before the end of a window that are not sure."""
_CLOSERS = "”’」』）】》"
_QUOTED = re.compile(r"[。！？…?!][”’」』]+$")
_CLAUSE = re.compile(r"([^，。！？；：、,?!;:\n“「『]{1,24})([，。！？；：,?!;:…]|$)")
_SAYS = re.compile(
    r"(?<![小据听聽学學传傳])[说說](?![明服法])|[问問](?![题題])|回答|喊|[骂罵]|嚷|吼|表示|解释|解釋|补充|補充"
    r"|(?:道|答|叫|想|笑|[讲講]|曰|[叹嘆])[了着著]?$"
)
_GOES_ON = {
    "zh": re.compile(r"然后|然後|接着|接著|随后|隨後|[就便而却卻又也还還才并並再都的地]|之[类類]|等"),
    "ja": re.compile(r"[とっはがをのもに]|など|なんて"),
}
"""Behind a quotation: words that cannot begin a sentence, or hardly do."""


def spans(text: str, language: str) -> list[tuple[int, int]]:
    """Return (start, end) of every sentence in characters, each with the space after it: they cover the text."""
    text = scrub(text)
    starts = [0]
    for start in _boundaries(text, language):
        # White space alone is no sentence: it belongs to the one before, at the beginning to the first.
        fresh = starts[-1] < start < len(text) and (len(starts) > 1 or text[:start].strip())
        if fresh and not _continues(text, starts[-1], start, language):
            _unwrap(text, starts, start)
            starts.append(start)
    _unwrap(text, starts, len(text))
    return list(zip(starts, [*starts[1:], len(text)], strict=True)) if text else []


def _boundaries(text: str, language: str) -> Iterator[int]:
    """Yield where `sentencex` begins a sentence; closing quotation marks stay with the sentence that they close."""
    for start in _begins(text, language):
        if start and text[start] in _CLOSERS:
            while start < len(text) and (text[start] in _CLOSERS or text[start].isspace()):
                start += 1
        yield start


def _begins(text: str, language: str) -> Iterator[int]:
    """Yield where `sentencex` begins a sentence.

    Its time grows with the square of a Chinese or Japanese paragraph, so it reads a window of the text at a time. A
    window begins with the last sentence of the one before that is far enough from its end to be sure.
    """
    at, size = 0, WINDOW if language in _GOES_ON else len(text)
    while True:
        found = sentencex.get_sentence_boundaries(language, text[at : at + size])
        starts = [boundary["start_index"] for boundary in found if boundary["text"].strip()]
        if at + size >= len(text):
            yield from (at + start for start in starts)
            return
        sure = [start for start in starts if start <= size - MARGIN]
        if not sure or not sure[-1]:  # the first sentence is longer than the window
            size *= 2
            continue
        yield from (at + start for start in sure[:-1])
        at, size = at + sure[-1], WINDOW


def _continues(text: str, begin: int, at: int, language: str) -> bool:
    """Return whether the sentence from `begin` goes on at `at`, where `sentencex` would cut it."""
    before, after = text[at - 1], text[at]
    if language in _GOES_ON:
        if before == "." and after.isascii() and after.isalnum():
            return True  # U.S.
        return before == "》" or (before in _CLOSERS and _quotes(text, begin, at, language))
    if language != "en" or "\n\n" in text[at - 3 : at]:
        return False
    if after.isdecimal() or after in "([":
        return bool(_NUMBERED.search(text, max(begin, at - 12), at))
    return bool((_WITHIN.search(text, max(begin, at - 12), at) and after.isalpha()) or _ITEM.fullmatch(text, begin, at))


def _quotes(text: str, begin: int, at: int, language: str) -> bool:
    """Return whether a sentence goes on behind a quotation that ends at `at` with the mark of a sentence."""
    if not _QUOTED.search(text, max(begin, at - 4), at) or not (clause := _CLAUSE.match(text, at)):
        return False
    opener = text.rfind("“‘「『"["”’」』".index(text[at - 1])], begin, at)
    lead = text[begin:opener].strip() if opener >= 0 else ""
    if _GOES_ON[language].match(clause[1]):
        return True
    if not lead:  # the quotation comes first: who says it may follow, and a colon opens the next one
        return clause[2] not in ("：", ":") and bool(_SAYS.search(clause[1]))
    return language == "zh" and lead[-1] not in "：:，," and not _SAYS.search(lead[-3:])


def _unwrap(text: str, starts: list[int], end: int) -> None:
    """Part the sentences in brackets at the beginning of the last piece from what follows them."""
    while (found := _BRACKETED.match(text, starts[-1], end)) and found.end() < end:
        starts.append(found.end())


def enough(text: str, language: str, count: int) -> bool:
    """Return whether a text has at least `count` sentences."""
    # No sentence crosses an empty line, and the first paragraphs mostly have enough.
    head = text.find("\n\n", 200 * count)
    return (head > 0 and len(spans(text[:head], language)) >= count) or len(spans(text, language)) >= count


def split(text: str, language: str) -> list[str]:
    """Return the sentences of a text; joined they are the text."""
    return [text[start:end] for start, end in spans(text, language)]
