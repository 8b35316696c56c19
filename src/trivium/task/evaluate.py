"""Score a model folder on the held-out documents of a data folder."""

import math
from pathlib import Path

import torch

from trivium import api
from trivium.base.config import parse
from trivium.base.errors import ModelError, NumericsError
from trivium.base.log import say
from trivium.data.loader import in_order
from trivium.data.rows import DocumentRows
from trivium.model.device import pick
from trivium.model.layer.head import VocabularyHead
from trivium.objective.causal import CausalLM
from trivium.objective.denoise import SpanCorruption
from trivium.objective.infill import TextInfilling
from trivium.objective.masked import MaskedLM
from trivium.objective.objective import Objective
from trivium.task.feed import open_corpus
from trivium.task.start import fitting
from trivium.train.evaluate import Evaluation, evaluate
from trivium.train.finite import pass_fault
from trivium.train.loss.token import TokenLoss
from trivium.train.parallel.world import World

MICRO_ROWS = 16


def score_folder(model: str | Path | api.Model, data: str | Path, length: int | None = None) -> Evaluation:
    """Score a model on the `valid` split of a data folder, in rows of `length` tokens (None: the context).

    The loss is that of `objective_of`. Raise ModelError for a model without a head over the vocabulary, DataError for
    data that another tokenizer encoded, and NumericsError for a loss that is not finite, with the module to blame.
    """
    loaded = model if isinstance(model, api.Model) else api.load(model, device=pick())
    tokenizer = loaded.tokenizer
    if not isinstance(loaded.transformer.head, VocabularyHead):
        raise ModelError(f"{model}: has no head over the vocabulary; evaluate it on files of rows of its task")
    corpus = open_corpus(data, "valid", tokenizer)
    objective, vocabulary = objective_of(loaded), tokenizer.vocabulary
    if not objective.covers:
        say(f"scored by the objective {objective.kind}; do not compare it with the losses of other objectives")
    rows = DocumentRows(corpus, objective, vocabulary, fitting(length, loaded.config, "length"))
    world = World(device=loaded.transformer.tokens.weight.device)
    batches = in_order(rows, MICRO_ROWS, vocabulary.pad)
    text_bytes = corpus.bytes if objective.covers else None
    found = evaluate(loaded.transformer, batches, world, text_bytes, vocabulary.special)
    if found.targets and not math.isfinite(found.loss):
        again = in_order(rows, MICRO_ROWS, vocabulary.pad)
        fault = pass_fault(loaded.transformer, again, TokenLoss(), world, torch.float32)
        raise NumericsError(
            f"{loaded.name}: the loss on {data} is not finite: first {fault}; train with a lower optim.lr"
        )
    return found


def objective_of(model: api.Model) -> Objective:
    """Return the objective to score a model by: next token, or its own of pretraining, or its family's default."""
    family, kept = model.config.family, model.record.get("recipe", {}).get("objective")
    if family == "decoder":
        return CausalLM()
    if kept is not None and (own := parse(Objective, kept, "trivium.json")).reads == "documents":
        return own
    if family == "encoder":
        return MaskedLM()
    return SpanCorruption() if model.tokenizer.vocabulary.sentinels else TextInfilling(permute=False)
