"""Score a model folder on the held-out documents of a data folder."""

from pathlib import Path

from trivium import api
from trivium.base.errors import DataError, ModelError
from trivium.data.loader import in_order
from trivium.data.rows import DocumentRows
from trivium.data.shards import Corpus
from trivium.model.device import pick
from trivium.objective.causal import Causal
from trivium.train.evaluate import Score, evaluate
from trivium.train.parallel import World

MICRO_ROWS = 16


def score_folder(model: str | Path | api.Model, data: str | Path, length: int | None = None) -> Score:
    """The next-token score of a model on the `valid` split of a data folder that its tokenizer encoded."""
    loaded = model if isinstance(model, api.Model) else api.load(model, device=pick())
    if (tokenizer := loaded.tokenizer) is None:
        raise ModelError(f"{model}: has no tokenizer.json; evaluation needs one")
    corpus = Corpus(data, "valid")
    if corpus.manifest["tokenizer"] != tokenizer.identity:
        raise DataError(f"{data}: was encoded with another tokenizer than the model's; prepare it again with "
                        "`--tokenizer` and the model folder")  # fmt: skip
    vocabulary = tokenizer.vocabulary
    rows = DocumentRows(corpus, Causal(), vocabulary, length or loaded.config.context)
    world = World(device=loaded.transformer.tokens.weight.device)
    batches = in_order(rows, MICRO_ROWS, vocabulary.pad)
    return evaluate(loaded.transformer, batches, world, corpus.bytes, vocabulary.special)
