"""Losses that compare: a text with others, and an answer with another one.

`contrast` is InfoNCE with the negatives of the batch (van den Oord et al. 2018, arXiv:1807.03748; Henderson et al.
2017, arXiv:1705.00652): each text must find its own among all that belong to some text of the micro-batch, and those
given as not belonging. `prefer` is direct preference optimisation (Rafailov et al. 2023, arXiv:2305.18290); what the
reference model makes of an answer is a target, computed once before training, so no second model is held.
"""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from trivium.base.batch import Batch
from trivium.base.types import IGNORE
from trivium.model.layer.score import pooled
from trivium.train.loss import LossConfig, nothing


def contrast_loss(
    head: Any, hidden: Float[Tensor, "B T D"], batch: Batch, config: LossConfig = LossConfig()
) -> tuple[Float[Tensor, ""], Float[Tensor, " N"], Int[Tensor, " N"]]:
    """One loss for each group of texts: `group` says how many follow its first, the first of them belongs to it."""
    if "group" not in batch.targets:
        return nothing(hidden)
    vectors = F.normalize(head(pooled(hidden, batch.stream, head.config.pool)).float(), dim=-1)  # M D
    following = batch.targets["group"]
    anchors = F.pad((following + 1).cumsum(0), (1, -1))  # where each group begins
    others = torch.ones(len(vectors), dtype=torch.bool, device=vectors.device)
    others[anchors] = False
    scores = vectors[anchors] @ vectors[others].T / config.temperature  # N M-N
    own = F.pad(following.cumsum(0), (1, -1))
    losses = F.cross_entropy(scores, own, reduction="none")
    return losses.sum(), losses.detach(), own


def prefer_loss(
    head: Any, hidden: Float[Tensor, "B T D"], batch: Batch, config: LossConfig = LossConfig()
) -> tuple[Float[Tensor, ""], Float[Tensor, " N"], Int[Tensor, " N"]]:
    """-log sigmoid(beta * (margin - the reference's)) of each pair: a chosen answer and, behind it, a rejected one."""
    if "margin" not in batch.targets:
        return nothing(hidden)
    likely = log_likelihoods(head, hidden, batch)  # 2N
    margins = likely[0::2] - likely[1::2] - batch.targets["margin"]
    losses = -F.logsigmoid(config.beta * margins)
    return losses.sum(), losses.detach(), (margins > 0).long()


def log_likelihoods(head: Any, hidden: Float[Tensor, "B T D"], batch: Batch) -> Float[Tensor, " M"]:
    """The sum of the log-probabilities of the targets of each text of a batch, row by row and in order."""
    targets, documents = batch.targets["token"], batch.stream.documents
    first = (batch.stream.positions == 0) & (documents > 0)
    text = (first.flatten().cumsum(0) - 1).reshape(targets.shape)  # the number of the text that each token is of
    valid = targets != IGNORE
    losses = F.cross_entropy(head(hidden[valid]).float(), targets[valid], reduction="none")
    return -losses.new_zeros(int(first.sum())).index_add(0, text[valid], losses)
