"""What a model folder says of its input: the tokenizer of its texts, and the processor of its pictures.

`preprocessor_config.json` is for stock tools; what they cannot say (one channel, a width in proportion, another
background) stands in trivium.json alone.
"""

from pathlib import Path
from typing import Any

from trivium.base import files
from trivium.base.config import dump, parse
from trivium.base.errors import ModelError
from trivium.base.log import warn
from trivium.image.processor import CONFIG, PROCESSOR, STOCK, ImageProcessor
from trivium.interop import rules
from trivium.model.config import ModelConfig
from trivium.token.tokenizer import Tokenizer

SPARE = 64
"""The most tokens without a row in the table: those that were added to a tokenizer, and to the table never."""
OLDER = (
    "merges.txt",
    "vocab.json",
    "vocab.txt",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tokenizer.model",
    "source.spm",
)
"""The files of tokenizers of which stock tools make a tokenizer.json."""
BOTH = "processor_config.json"
"""Where transformers 5 says how pictures and texts are processed together."""
SIGLIP = "SiglipImageProcessor"
"""The stock processor of models without a class token."""


def write_processor(folder: Path, config: ModelConfig, about: dict[str, Any]) -> None:
    """Write `preprocessor_config.json` where the model reads pictures and a stock class computes the same."""
    if config.pictures is not None and about.get(PROCESSOR):
        found = parse(ImageProcessor, about[PROCESSOR], "trivium.json")
        if tree := found.stock(STOCK if found.class_token else SIGLIP):
            files.write_json(folder / CONFIG, tree)


def read_processor(folder: Path, config: ModelConfig, record: dict[str, Any]) -> None:
    """Put the processor of a folder of stock tools into the record of a model of pictures that has none.

    A folder without one is told; a step that none of ours does is a ModelError.
    """
    if (embed := config.pictures) is None or record.get(PROCESSOR):
        return
    both, alone = folder / BOTH, folder / CONFIG
    path = both if both.is_file() and "image_processor" in _table(both) else alone  # in the order of stock tools
    if not path.is_file():
        warn(f"{folder}: no {CONFIG}: pictures get the size of the model's table, and levels from -1 to 1")
        return
    own: Any = embed
    tree = _table(path, "image_processor") if path == both else _table(path)
    record[PROCESSOR] = dump(ImageProcessor.of_stock(tree, own.patch, own.class_token, str(path)))


def _table(path: Path, key: str | None = None) -> dict[str, Any]:
    """Return the table of a JSON file, or that under a key of it; ModelError where there is none."""
    tree = files.read_json(path, ModelError)
    found = tree[key] if key is not None else tree
    if not isinstance(found, dict):
        raise ModelError(f"{path}: {f'{key}: ' if key else ''}expected a table, found {type(found).__name__}")
    return found


def tokenizer_of(folder: Path, config: ModelConfig) -> Tokenizer | None:
    """Read the tokenizer of a folder, if it has one; one in older files, and tokens without a row, are told."""
    if not (folder / "tokenizer.json").is_file():
        if found := [name for name in OLDER if (folder / name).is_file()]:
            convert = f"AutoTokenizer.from_pretrained('{folder}').save_pretrained('{folder}')"
            warn(
                f"{folder}: {', '.join(found)}: a tokenizer without tokenizer.json is not read; this writes it: "
                f'python -c "from transformers import AutoTokenizer; {convert}"'
            )
        return None
    tokenizer, place = Tokenizer.load(folder), folder / "tokenizer.json"
    if more := spare(tokenizer, config, place):
        words = rules.listed([tokenizer.token(index) for index in range(config.vocab_size, tokenizer.size)])
        warn(f"{place}: {words}: {more} in all have no row in the table; no text may hold them")
    return tokenizer


def spare(tokenizer: Tokenizer, config: ModelConfig, place: Path) -> int:
    """Return how many tokens have no row in the table; too many are a ModelError, for another model's tokenizer."""
    if (more := tokenizer.size - config.vocab_size) > SPARE:
        raise ModelError(f"{place}: the tokenizer has {tokenizer.size} tokens, the model only {config.vocab_size}")
    return max(more, 0)
