"""The causal mask of a packed row."""

from collections.abc import Callable

import torch
from torch import Tensor

from trivium.model.attention.pattern import Causal, Where
from trivium.model.attention.view import View
from trivium.study.course.exercise import Case, Exercise

TEXT = '''import torch


def mask(documents):
    """Return who may look at whom: a tensor of bool [T, T], True where the row (query) may see the column (key).

    documents is a tensor of integers [T], the number of the document of each token, such as [1, 1, 2, 2, 2, 0]; 0 is
    padding. A token sees itself and earlier tokens of its own document. Padding sees nothing and is never seen.
    """
    raise NotImplementedError
'''


def cases() -> list[Case]:
    """Return a row of one document, one of several, and one with padding."""
    rows = ([1, 1, 1, 1], [1, 1, 2, 2, 2, 3], [1, 1, 2, 2, 0, 0, 0])
    return [(torch.tensor(row),) for row in rows]


def ours(documents: Tensor) -> Tensor:
    """Return what the View of a causal pattern allows; positions begin anew in each document."""
    at = [sum(int(one) == int(documents[t]) for one in documents[:t]) for t in range(len(documents))]
    where = Where(torch.tensor([at]), documents[None])
    return View(Causal(), where, where).mask[0, 0]


def seen(causal: bool = True, own: bool = True, same: bool = True, padding: bool = False) -> Callable[[Tensor], Tensor]:
    """Return a mask with one rule left out."""

    def mask(documents: Tensor) -> Tensor:
        size = len(documents)
        made = torch.ones(size, size).tril(0 if own else -1).bool() if causal else torch.ones(size, size).bool()
        if same:
            made &= documents[:, None] == documents[None]
        return made if padding else made & (documents > 0) & (documents > 0)[:, None]

    return mask


MISTAKES = [
    ("True and False are exchanged: True is where a query may look", lambda documents: ~ours(documents)),
    ("rows and columns are exchanged: the row is the query, the column the key", lambda documents: ours(documents).T),
    ("a token sees later tokens of its document", seen(causal=False)),
    ("a token does not see itself; the diagonal belongs to the mask", seen(own=False)),
    ("documents of a row see each other", seen(same=False)),
    ("documents of a row see each other, and padding is seen", seen(same=False, padding=True)),
    ("padding sees padding: 0 is no document", seen(padding=True)),
]

EXERCISE = Exercise("mask", TEXT, cases, ours, MISTAKES)
