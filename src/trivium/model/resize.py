"""A larger vocabulary for a model that is there already: rows of its tables for tokens that it has never seen.

A new row is the mean of all old ones (Hewitt 2021): whatever the model has read, its scores of old tokens shift by no
more than the share that a typical token takes, so it writes as before until the new rows are learned.
"""

import torch

from trivium.model.transformer import Transformer


def resize(model: Transformer, vocab_size: int, known: int | None = None) -> Transformer:
    """The same model with `vocab_size` tokens; rows from `known` on (default: beyond the old ones) are the mean."""
    old = model.config.vocab_size
    known = old if known is None else min(known, old)
    assert vocab_size >= old, "a vocabulary only grows"
    made = Transformer(model.config.model_copy(update={"vocab_size": vocab_size}))
    wanted, state = made.state_dict(), model.state_dict()
    for name, table in wanted.items():
        if table.shape == state[name].shape and not (table.shape[0] == vocab_size and known < vocab_size):
            continue
        rows = state[name][:known]
        mean = rows.float().mean(dim=0, keepdim=True).to(rows.dtype)
        state[name] = torch.cat([rows, mean.expand(vocab_size - known, *rows.shape[1:])])
    made.load_state_dict(state)
    return made.to(model.tokens.weight.device, model.tokens.weight.dtype).train(model.training)
