"""What other weights cost: the loss of a model as it is kept for reading, beside float32, on a small text.

The loss is that of the model's objective, in bits for each byte that it has to predict. The scores are those of the
logits that the model writes with, so packed matrices count.
"""

import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from trivium import api
from trivium.base.batch import collate
from trivium.base.errors import DataError, ModelError, NumericsError
from trivium.base.folder import kind_of
from trivium.base.seeds import late
from trivium.base.types import IGNORE, Example
from trivium.corpus.preparation import Preparation
from trivium.corpus.read import embedded
from trivium.corpus.read.sources import read
from trivium.corpus.stage.dedup import held_out
from trivium.corpus.table import address
from trivium.data.shards import Corpus
from trivium.model.device import evaluating, place
from trivium.model.layer.head import VocabularyHead
from trivium.task.evaluate import objective_of
from trivium.token.tokenizer import Tokenizer

AUTO = "auto"
"""The word for the model's own held-out documents where they are known, else those of the embedded corpus."""
BYTES, SHARE = 16 << 10, 4 << 10
"""The bytes of text that are scored, and of one document at most."""
NAMES = {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}


def check(folder: str | Path, model: api.Model, weights: str, source: str | Path = AUTO) -> str:
    """Return a line with the loss of a loaded model beside that of its folder in float32.

    `weights` says how the model is kept (see `infer/weights`). `source` is a file of text or rows, a data folder, or
    AUTO. Raise ModelError for a model without a loss on text, and DataError for a source without text.
    """
    name = weights if weights == "int8" else NAMES[model.transformer.tokens.weight.dtype]
    if not isinstance(model.transformer.head, VocabularyHead):
        raise ModelError(f"--check: {model.name} has no head over the vocabulary, so no loss on text; leave it out")
    if name == "fp32":
        return "check: the weights are float32: there is nothing to compare"
    texts, what = _texts(model, source)
    made = examples(model, texts)
    found = bits_per_byte(model, made)
    exact = bits_per_byte(api.load(folder, model.transformer.tokens.weight.device), made)
    more = f"{100 * (found - exact) / exact:+.2f} %"
    return f"check: {found:.4f} bits per byte in {name}, {exact:.4f} in float32 ({more}), on {what}"


def bits_per_byte(model: api.Model, examples: list[Example]) -> float:
    """Return the loss of a model, in bits, for each byte of the tokens that it predicts, without special tokens."""
    transformer, tokenizer = model.transformer, model.tokenizer
    loss, count = 0.0, 0
    with evaluating(transformer), torch.inference_mode():
        for example in examples:
            batch = place(collate([[example]], tokenizer.vocabulary.pad), transformer.tokens.weight.device)
            target = batch.targets["token"]
            valid = (target != IGNORE) & ~torch.isin(target, torch.tensor(sorted(tokenizer.special)).to(target))
            logits = transformer.logits(transformer(batch)[valid])
            loss += float(F.cross_entropy(logits.double(), target[valid], reduction="sum"))
            count += sum(len(tokenizer.raw(index)) for index in target[valid].tolist())
    if not count:
        raise DataError("--check: the text has no token to predict; expected more of it")
    if not math.isfinite(loss):
        raise NumericsError(f"--check: the loss of {model.name} is not finite")
    return loss / math.log(2) / count


def examples(model: api.Model, texts: list[str]) -> list[Example]:
    """Return the pieces of texts as the model's objective has them."""
    objective, vocabulary, config = objective_of(model), model.tokenizer.vocabulary, model.config
    before, after = objective.frame(vocabulary)
    room = objective.room(min(config.context, config.limit or config.context))
    made: list[Example] = []
    for text in texts:
        ids = np.array([*before, *model.tokenizer.encode(text), *after])
        for start, stop in pairwise([*range(0, len(ids), room), len(ids)]):
            following = ids[stop].item() if stop < len(ids) else None
            made.append(objective.piece(ids[start:stop], following, vocabulary, late(0, 0, len(made))))
    return made


def _texts(model: api.Model, source: str | Path) -> tuple[list[str], str]:
    """Return the texts of a source, BYTES in all, and what they are."""
    own = model.record.get("recipe", {}).get("data", {}).get("path", ())
    if source == AUTO:
        source = next((path for path in own if kind_of(Path(path)) == "a data folder"), AUTO)
    texts: list[str] = []
    room = BYTES
    for text in _read(source):
        part = text.strip().encode()[: min(room, SHARE)].decode(errors="ignore")
        texts += [part] if part else []
        room -= len(part.encode())
        if room <= 0:
            break
    if not texts:
        raise DataError(f"--check: {source}: expected text, found none; a data folder needs held-out documents")
    of = "documents of the embedded corpus" if source == AUTO else source
    return texts, f"{BYTES - room:,} bytes of {of}"


def _read(source: str | Path) -> Iterator[str]:
    if source == AUTO:
        found = list(embedded.direct())
        held = held_out(np.array([address(one) for one in found], np.uint64), Preparation().valid_share)
        return (one.text for one, out in zip(found, held.tolist(), strict=True) if out)
    if kind_of(Path(source)) == "a data folder":
        tokenizer = Tokenizer.load(Path(source) / "tokenizer")
        return (tokenizer.decode(ids[:SHARE].tolist()) for ids in Corpus(source, "valid").documents())
    return (one.text for one in read([source]))
