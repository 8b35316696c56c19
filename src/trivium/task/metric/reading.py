"""Error rates of read texts: characters (CER) and words (WER), by the `jiwer` package.

A rate is the number of insertions, deletions and substitutions in all rows by the length of all right texts. White
space at the ends does not count, and for words only their order does. Of several right texts the nearest counts.
"""

from collections.abc import Sequence
from importlib.util import find_spec

from trivium.base.log import say
from trivium.base.plugin import extra


def error_rates(answers: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    """Return `cer` and `wer`, 0 for no error and above 1 where more is wrong than right; none without jiwer, told.

    Every row has a right text that is not blank.
    """
    if not find_spec("jiwer"):
        say("cer, wer: not measured without jiwer: pip install jiwer")
        return {}
    jiwer = extra("jiwer", "measuring CER and WER")
    found = {}
    for name, measure in (("cer", jiwer.cer), ("wer", jiwer.wer)):
        pairs = zip(answers, references, strict=True)
        nearest = [min(texts, key=lambda text: measure(text, answer)) for answer, texts in pairs]
        found[name] = float(measure(nearest, list(answers)))
    return found
