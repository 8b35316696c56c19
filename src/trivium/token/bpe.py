"""Byte-level BPE: train a vocabulary on texts, or build the one without merges; both as the text of a tokenizer.json.

The special tokens come first (`special`), then the 256 bytes, then the merges.
"""

import json
import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import takewhile

import tokenizers
from tokenizers import AddedToken, decoders, models, pre_tokenizers, trainers

from trivium.base.errors import DataError
from trivium.token.special import RESERVED, special_names

log = logging.getLogger(__name__)

SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}"
    r"| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""Merges never cross these boundaries: the pattern of Qwen3.5, which keeps combining marks with their letters."""
ROUND = 64
"""Vocabulary sizes are multiples of this."""
LONGEST = 256
"""The trainer sees longer words in pieces of so many characters: its time grows with the square of their length."""
MOST = 256 * LONGEST
"""... and no more than so many characters of one word: no written language has such words."""
CUT = f"word over {LONGEST} characters, cut for the training of the tokenizer"
_WINDOW = LONGEST // 2
_RUNS = (
    r"[^\s\d!-/:-@\[-`{-~\u2000-\u206f\u3001-\u3003\u3008-\u3011\u3014-\u301f\uff01-\uff0f\uff1a-\uff20]",
    r"(?:[^\w\s]|_)",
    r"\s",
)
"""Supersets of what a split takes as letters, as punctuation and as spaces: `re` knows no Unicode categories."""
_FILLED = re.compile("|".join(f"{run}{{{_WINDOW}}}" for run in _RUNS))
_LONG = re.compile("|".join(f"{run}{{{LONGEST + 1},}}" for run in _RUNS))
USUAL = 8192
"""The size of a vocabulary that nobody chose, where the text is large enough."""
SMALLEST = -(-(len(special_names()) + 256) // ROUND) * ROUND


def most(size: int) -> int:
    """Return an upper bound of the tokens that a text of `size` bytes can give: each merge takes two of its symbols."""
    return len(special_names()) + 256 + size // 2


def train(texts: Iterable[str], vocab_size: int | None = None, counts: Counter[str] | None = None) -> str:
    """Train exactly `vocab_size` tokens, special tokens included; None is `USUAL`, or as many as a small text gives.

    Words of more than `LONGEST` characters are cut for the training, with a warning; `counts` takes their number.
    The same texts give the same merges for any number of threads. Raises DataError for a size that is not a multiple of
    64, and for texts that are too small; the second error names the largest possible size.
    """
    size = USUAL if vocab_size is None else vocab_size
    if size % ROUND or size < SMALLEST:
        raise DataError(f"vocab_size {size}: expected a multiple of {ROUND}, at least {SMALLEST}")
    bpe = tokenizers.Tokenizer(models.BPE())
    split = pre_tokenizers.Split(tokenizers.Regex(SPLIT), behavior="isolated")
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=2,
        show_progress=False,
        special_tokens=_added(special_names()),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    counts = Counter() if counts is None else counts
    bpe.train_from_iterator(bounded(texts, split, counts), trainer)
    if counts[CUT]:
        log.warning(f"{CUT}: {counts[CUT]:,}")
    if (found := bpe.get_vocab_size()) != size:
        largest = found // ROUND * ROUND
        if vocab_size is None:
            return _cut(bpe.to_str(), largest) if largest >= SMALLEST else byte_level()
        way = f"at most {largest} is possible" if largest >= SMALLEST else "use the byte-level tokenizer"
        raise DataError(f"vocab_size {vocab_size}: the text is too small, it gives {found} tokens; {way}")
    return str(bpe.to_str())


def _cut(text: str, size: int) -> str:
    """Return a tokenizer.json with its first `size` tokens only: what training stops with at this size."""
    tree = json.loads(text)
    model = tree["model"]
    model["vocab"] = {name: index for name, index in model["vocab"].items() if index < size}
    model["merges"] = list(takewhile(lambda merge: "".join(merge) in model["vocab"], model["merges"]))
    return str(tokenizers.Tokenizer.from_str(json.dumps(tree)).to_str())


def bounded(texts: Iterable[str], split: pre_tokenizers.Split, counts: Counter[str]) -> Iterator[str]:
    """Yield texts, cut where `split` leaves a word of more than `LONGEST` characters; `counts` takes such words."""
    for text in texts:
        begin = 0
        for start, stop in _long_words(text, split):
            counts[CUT] += 1
            for cut in range(start + LONGEST, min(stop, start + MOST + 1), LONGEST):
                yield text[begin:cut]
                begin = cut
            begin = stop if stop - start > MOST else begin
        yield text[begin:]


def _long_words(text: str, split: pre_tokenizers.Split) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) of the words of a text that are longer than `LONGEST`."""
    # A long run fills at least one of these windows; few texts have one that is filled.
    if not any(_FILLED.match(text, at) for at in range(0, len(text) - _WINDOW + 1, _WINDOW)):
        return
    for run in _LONG.finditer(text):
        for _, (start, stop) in split.pre_tokenize_str(run[0]):
            if stop - start > LONGEST:
                yield run.start() + start, run.start() + stop


def byte_level() -> str:
    """Build the vocabulary without merges: one id per UTF-8 byte after the special tokens, `SMALLEST` ids in all."""
    names = special_names(RESERVED + SMALLEST - len(special_names()) - 256)
    tokens = [*names, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    bpe = tokenizers.Tokenizer(models.BPE(vocab={name: i for i, name in enumerate(tokens)}, merges=[]))
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    bpe.decoder = decoders.ByteLevel()
    bpe.add_special_tokens(_added(names))
    return str(bpe.to_str())


def _added(names: Iterable[str]) -> list[AddedToken]:
    return [AddedToken(name, special=True, normalized=False) for name in names]
