"""A larger vocabulary for a trained model.

Each new row of a table is the mean of the old rows (Hewitt 2021): then the probabilities of old tokens shift no more
than by the share of a typical token, and the model writes as before until the new rows are trained.
"""

import torch

from trivium.model.transformer import Transformer


def resize(model: Transformer, vocab_size: int, known: int | None = None) -> Transformer:
    """Return the model with `vocab_size` tokens; the rows from `known` on (default: the new rows) are the mean."""
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
