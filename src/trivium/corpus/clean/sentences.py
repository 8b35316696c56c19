"""Sentences: where they begin and end in a text, with nothing of the text lost.

The rules are those of `sentencex` for the language given; one guessed from the script is enough to choose them. Known
weaknesses of the rules: abbreviations such as French "M." and Russian "т.е." end a sentence, and Thai, which writes no
full stops, is not split.
"""

import sentencex

from trivium.token.tokenizer import scrub


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


def enough(text: str, language: str, count: int) -> bool:
    """Whether a text has `count` sentences."""
    # No sentence goes on behind an empty line, and mostly the first paragraphs have enough of them.
    head = text.find("\n\n", 200 * count)
    return (head > 0 and len(spans(text[:head], language)) >= count) or len(spans(text, language)) >= count


def split(text: str, language: str) -> list[str]:
    """The sentences of a text; joined they are the text."""
    return [text[start:end] for start, end in spans(text, language)]
