"""Sentences: where they begin and end in a text; no character is lost.

`sentencex` has the rules of each language; a language guessed from the script is good enough. Known weaknesses: French
"M." and Russian "т.е." end a sentence, and Thai, which writes no full stops, is not split.
"""

import sentencex

from trivium.token.tokenizer import scrub


def spans(text: str, language: str) -> list[tuple[int, int]]:
    """Return (start, end) of every sentence in characters, each with the space after it: they cover the text."""
    text = scrub(text)
    starts = [0]
    for boundary in sentencex.get_sentence_boundaries(language, text):
        start = boundary["start_index"]
        # White space alone is no sentence: it belongs to the one before, at the beginning to the first.
        if boundary["text"].strip() and start > starts[-1] and (len(starts) > 1 or text[:start].strip()):
            starts.append(start)
    return list(zip(starts, [*starts[1:], len(text)], strict=True)) if text else []


def enough(text: str, language: str, count: int) -> bool:
    """Return whether a text has at least `count` sentences."""
    # No sentence crosses an empty line, and the first paragraphs mostly have enough.
    head = text.find("\n\n", 200 * count)
    return (head > 0 and len(spans(text[:head], language)) >= count) or len(spans(text, language)) >= count


def split(text: str, language: str) -> list[str]:
    """Return the sentences of a text; joined they are the text."""
    return [text[start:end] for start, end in spans(text, language)]
