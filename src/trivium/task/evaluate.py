"""Score a model folder on the held-out documents of a data folder."""

from pathlib import Path

from trivium import api
from trivium.base.config import parse
from trivium.base.errors import DataError, ModelError
from trivium.base.log import say
from trivium.data.loader import in_order
from trivium.data.rows import DocumentRows
from trivium.data.shards import Corpus
from trivium.model.device import pick
from trivium.model.layer.head import VocabularyHead
from trivium.objective.causal import CausalLM
from trivium.objective.denoise import SpanCorruption
from trivium.objective.infill import TextInfilling
from trivium.objective.masked import MaskedLM
from trivium.objective.objective import Objective
from trivium.train.evaluate import Evaluation, evaluate
from trivium.train.parallel import World

MICRO_ROWS = 16


def score_folder(model: str | Path | api.Model, data: str | Path, length: int | None = None) -> Evaluation:
    """The score of a model on the `valid` split of a data folder that its tokenizer encoded.

    A decoder's is that of the next token, any other model's that of `objective_of`.
    """
    loaded = model if isinstance(model, api.Model) else api.load(model, device=pick())
    tokenizer = loaded.tokenizer
    if not isinstance(loaded.transformer.head, VocabularyHead):
        raise ModelError(f"{model}: has no head that writes tokens; files of its task's rows score it")
    corpus = Corpus(data, "valid")
    if corpus.manifest["tokenizer"] != tokenizer.identity:
        raise DataError(
            f"{data}: was encoded with another tokenizer than the model's; prepare it again with "
            "`--tokenizer` and the model folder"
        )
    objective, vocabulary = objective_of(loaded), tokenizer.vocabulary
    if not objective.covers:
        say(f"scored by the objective {objective.kind}; losses of other objectives are other questions")
    rows = DocumentRows(corpus, objective, vocabulary, length or loaded.config.context)
    world = World(device=loaded.transformer.tokens.weight.device)
    batches = in_order(rows, MICRO_ROWS, vocabulary.pad)
    text_bytes = corpus.bytes if objective.covers else None
    return evaluate(loaded.transformer, batches, world, text_bytes, vocabulary.special)


def objective_of(model: api.Model) -> Objective:
    """What is asked of a model about running text: the next token, or what it was pretrained by, or what is usual."""
    family, kept = model.config.family, model.record.get("recipe", {}).get("objective")
    if family == "decoder":
        return CausalLM()
    if kept is not None and (own := parse(Objective, kept, "trivium.json")).reads == "documents":
        return own
    if family == "encoder":
        return MaskedLM()
    return SpanCorruption() if model.tokenizer.vocabulary.sentinels else TextInfilling(permute=False)
