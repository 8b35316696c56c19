"""The loss over a vocabulary, in chunks of rows: the n x V matrix of scores never exists at once.

A loss here is a *sum* over valid targets. Who trains divides once, by the number of valid targets of the whole
global step, so that accumulation and ranks change nothing.
"""

from typing import Any

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from trivium.base.batch import Batch
from trivium.base.config import Config
from trivium.base.types import IGNORE


class LossConfig(Config):
    """The terms beside cross-entropy; each is summed over the same targets."""

    label_smoothing: float = 0.0
    z_loss: float = 0.0
    """The weight of the squared log of the softmax's denominator (PaLM, arXiv:2204.02311)."""
    temperature: float = Field(0.05, gt=0)
    """What similarities are divided by where texts are told apart (train/compare)."""
    beta: float = Field(0.1, gt=0)
    """How dear it is to leave the reference model where answers are compared (DPO)."""
    chunk_rows: int = 512
    """Rows of the score matrix that exist at a time."""


class _ChunkedCrossEntropy(torch.autograd.Function):
    """Cross-entropy through a matrix. Gradients are made chunk by chunk on the way forward, where scores exist."""

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any,
        features: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        targets: Tensor,
        weights: Tensor | None,
        softcap: float | None,
        config: LossConfig,
        dtype: torch.dtype,
        training: bool,
    ) -> tuple[Tensor, Tensor]:
        rows = len(targets)
        losses = torch.zeros(rows, dtype=torch.float32, device=features.device)
        needs = ctx.needs_input_grad if training else (False,) * 3
        grad_features = torch.empty_like(features) if needs[0] else None
        grad_weight = torch.zeros_like(weight) if needs[1] else None
        grad_bias = torch.zeros_like(bias) if bias is not None and needs[2] else None
        matrix = weight.to(dtype)
        for at in range(0, rows, config.chunk_rows):
            part = slice(at, at + config.chunk_rows)
            x, target = features[part].to(dtype), targets[part]
            scores = F.linear(x, matrix, None if bias is None else bias.to(dtype)).float()  # n V
            slope = None
            if softcap is not None:
                scores = scores.div_(softcap).tanh_()
                slope = 1 - scores.square() if any(needs) else None
                scores = scores * softcap
            lse = scores.logsumexp(dim=-1)
            picked = scores.gather(1, target[:, None])[:, 0]
            smooth = config.label_smoothing
            loss = lse - (1 - smooth) * picked
            if smooth:
                loss = loss - smooth * scores.mean(dim=-1)
            losses[part] = loss + config.z_loss * lse.square() if config.z_loss else loss
            if not any(needs):
                continue
            grad = scores.sub_(lse[:, None]).exp_()  # the softmax, in place
            if config.z_loss:
                grad.mul_((1 + 2 * config.z_loss * lse)[:, None])
            if smooth:
                grad.sub_(smooth / grad.shape[1])
            grad.scatter_add_(1, target[:, None], torch.full_like(lse, smooth - 1)[:, None])
            if weights is not None:
                grad.mul_(weights[part, None])
            if slope is not None:
                grad.mul_(slope)
            grad = grad.to(dtype)
            if grad_features is not None:
                grad_features[part] = (grad @ matrix).to(features.dtype)
            if grad_weight is not None:
                grad_weight += grad.t() @ x
            if grad_bias is not None:
                grad_bias += grad.sum(0)
        ctx.save_for_backward(*(g for g in (grad_features, grad_weight, grad_bias) if g is not None))
        ctx.held = [g is not None for g in (grad_features, grad_weight, grad_bias)]
        ctx.mark_non_differentiable(losses)
        return (losses if weights is None else losses * weights).sum(), losses

    @staticmethod
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        saved = iter(ctx.saved_tensors)
        given = [next(saved) * grad if held else None for held in ctx.held]
        return (*given, None, None, None, None, None, None)


def cross_entropy(
    head: Any,
    features: Float[Tensor, "N D"],
    targets: Int[Tensor, " N"],
    weights: Float[Tensor, " N"] | None = None,
    config: LossConfig = LossConfig(),
) -> tuple[Float[Tensor, ""], Float[Tensor, " N"]]:
    """The weighted sum of the losses of N targets, and the loss of each (float32, without gradient)."""
    kind = features.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else features.dtype
    with torch.autocast(kind, enabled=False):
        return _ChunkedCrossEntropy.apply(  # type: ignore[no-any-return]
            features, head.weight, head.bias, targets, weights, head.softcap, config, dtype, torch.is_grad_enabled()
        )


def token_loss(
    head: Any, hidden: Float[Tensor, "B T D"], batch: Batch, config: LossConfig = LossConfig()
) -> tuple[Float[Tensor, ""], Float[Tensor, " N"], Int[Tensor, " N"]]:
    """The loss sum of a batch, and loss and target of each valid position; only those pass through the head.

    Without any valid target the sum is exactly 0 and still connected, so every parameter gets a zero gradient.
    """
    targets = batch.targets["token"]
    valid = (targets != IGNORE).flatten().nonzero()[:, 0]
    picked = targets.flatten()[valid]
    weights = None if batch.weights is None else batch.weights.flatten()[valid]
    features = head.features(hidden.flatten(0, 1)[valid])
    total, losses = cross_entropy(head, features, picked, weights, config)
    return total, losses, picked


def nothing(scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The loss of a micro-batch without targets: a zero that every parameter is still part of."""
    empty = torch.zeros(0, device=scores.device)
    return scores.sum() * 0.0, empty, empty.long()
