"""Byte-level BPE: train a vocabulary on texts, or build the one without merges; both as the text of a tokenizer.json.

The special tokens come first (`special`), then the 256 bytes, then the merges.
"""

from collections.abc import Iterable

import tokenizers
from tokenizers import AddedToken, decoders, models, pre_tokenizers, trainers

from trivium.base.errors import DataError
from trivium.token.special import RESERVED, special_names

SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""Merges never cross these boundaries: the pattern of cl100k, with numbers in groups of up to three digits."""
ROUND = 64
"""Vocabulary sizes are multiples of this."""
SMALLEST = -(-(len(special_names()) + 256) // ROUND) * ROUND


def train(texts: Iterable[str], vocab_size: int) -> str:
    """Train exactly `vocab_size` tokens, special tokens included.

    The same texts give the same merges for any number of threads. Raises DataError for a size that is not a multiple of
    64, and for texts that are too small; the second error names the largest possible size.
    """
    if vocab_size % ROUND or vocab_size < SMALLEST:
        raise DataError(f"vocab_size {vocab_size}: expected a multiple of {ROUND}, at least {SMALLEST}")
    bpe = tokenizers.Tokenizer(models.BPE())
    split = pre_tokenizers.Split(tokenizers.Regex(SPLIT), behavior="isolated")
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=2,
        show_progress=False,
        special_tokens=_added(special_names()),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    bpe.train_from_iterator(texts, trainer)
    if (found := bpe.get_vocab_size()) != vocab_size:
        largest = found // ROUND * ROUND
        way = f"at most {largest} is possible" if largest >= SMALLEST else "use the byte-level tokenizer"
        raise DataError(f"vocab_size {vocab_size}: the text is too small, it gives {found} tokens; {way}")
    return str(bpe.to_str())


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
