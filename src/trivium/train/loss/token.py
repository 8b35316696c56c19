"""Cross-entropy over a vocabulary, in chunks of rows: the whole matrix of scores, [N, V], never exists at once."""

from typing import Any, ClassVar, Self

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from trivium.base.batch import Batch
from trivium.base.types import IGNORE
from trivium.train.loss.loss import Loss, LossSum
from trivium.train.parallel.vocabulary import VocabularyPart, mine

BLOCK = 1 << 19
"""Scores that are softmaxed together: 2 MiB of float32, so that they stay in the cache of a core."""


class TokenLoss(Loss, kind="token"):
    """Cross-entropy of every token that is a target."""

    target: ClassVar = "token"
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    """The share of a target that is spread evenly over the vocabulary."""
    z_loss: float = Field(0.0, ge=0, le=100)
    """The weight of the squared log of the softmax denominator (PaLM, arXiv:2204.02311)."""
    chunk_rows: int = Field(1024, gt=0, le=1 << 24)
    """Rows of the score matrix that exist at a time."""

    def plain(self) -> Self:
        return self.replace(label_smoothing=0.0, z_loss=0.0)

    def measure(self, head: Any, hidden: Float[Tensor, "B T D"], batch: Batch) -> LossSum:
        targets = batch.targets["token"]
        valid = (targets != IGNORE).flatten().nonzero()[:, 0]  # only these positions pass through the head
        picked = targets.flatten()[valid]
        weights = None if batch.weights is None else batch.weights.flatten()[valid]
        total, losses = self.cross_entropy(head, head.features(hidden.flatten(0, 1)[valid]), picked, weights)
        return LossSum(total, losses, picked)

    def cross_entropy(
        self, head: Any, features: Float[Tensor, "N D"], targets: Int[Tensor, " N"], weights: Tensor | None = None
    ) -> tuple[Float[Tensor, ""], Float[Tensor, " N"]]:
        """Return the weighted sum of the losses of N targets, and each loss (float32, without gradient)."""
        kind = features.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else features.dtype
        weight, bias, part = mine(head)
        with torch.autocast(kind, enabled=False):
            return _ChunkedCrossEntropy.apply(  # type: ignore[no-any-return]
                features, weight, bias, targets, weights, head.softcap, self, dtype, torch.is_grad_enabled(), part
            )


class _ChunkedCrossEntropy(torch.autograd.Function):
    """Cross-entropy through a matrix. The forward pass also computes the gradients, while a chunk has its scores."""

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any,
        features: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        targets: Tensor,
        weights: Tensor | None,
        softcap: float | None,
        config: TokenLoss,
        dtype: torch.dtype,
        training: bool,
        vocabulary: VocabularyPart,
    ) -> tuple[Tensor, Tensor]:
        rows = len(targets)
        losses = torch.zeros(rows, dtype=torch.float32, device=features.device)
        needs = ctx.needs_input_grad[:3] if training else (False,) * 3
        grad_features = torch.empty_like(features) if needs[0] else None
        grad_weight = grad_bias = None
        matrix, shift = weight.to(dtype), None if bias is None else bias.to(dtype)
        together = max(1, BLOCK // len(weight)) if features.device.type == "cpu" else config.chunk_rows
        # The only chunk keeps its product for the backward pass: there it takes the factor along, without a pass of it.
        last = features.device.type == "cpu" and 0 < rows <= config.chunk_rows
        for at in range(0, rows, config.chunk_rows):
            part = slice(at, min(at + config.chunk_rows, rows))
            x = features[part].to(dtype)
            scores = F.linear(x, matrix, shift)  # n V
            for first in range(part.start, part.stop, together):
                here = slice(first, min(first + together, part.stop))
                block = scores[first - at : here.stop - at]
                scale = None if weights is None else weights[here]
                losses[here] = _block(block, targets[here], scale, softcap, config, any(needs), vocabulary)
            if grad_features is not None:
                grad_features[part] = (scores @ matrix).to(features.dtype)
            if needs[1] and not last:
                grad_weight = _add(grad_weight, scores.t() @ x, weight, rows > config.chunk_rows)
            if needs[2] and bias is not None:
                grad_bias = _add(grad_bias, scores.sum(0), bias, rows > config.chunk_rows)
        if grad_features is not None:
            vocabulary.sum(grad_features)
        if not rows:
            grad_weight = torch.zeros_like(weight) if needs[1] else None
            grad_bias = torch.zeros_like(bias) if bias is not None and needs[2] else None
        ctx.grads, ctx.like = [grad_features, grad_weight, grad_bias], weight
        ctx.last = (scores.t(), x) if last and needs[1] else None
        ctx.mark_non_differentiable(losses)
        return (losses if weights is None else losses * weights).sum(), losses

    @staticmethod
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        assert ctx.grads is not None, "the gradients of a loss are made once"
        given, ctx.grads = ctx.grads, None  # in place: a copy of the gradient of a large table costs as much as a layer
        given = [None if one is None else one.mul_(grad) for one in given]
        if ctx.last is not None:
            (scores, x), ctx.last = ctx.last, None  # the graph lives longer than this pass needs them
            product = torch.addmm(x.new_empty(()), scores, x, beta=0, alpha=float(grad))
            given[1] = _add(None, product, ctx.like, False)
        return (*given, None, None, None, None, None, None, None)


def _block(
    block: Float[Tensor, "n V"],
    target: Int[Tensor, " n"],
    weight: Float[Tensor, " n"] | None,
    softcap: float | None,
    config: TokenLoss,
    training: bool,
    part: VocabularyPart,
) -> Float[Tensor, " n"]:
    """Return the loss of each row of scores, computed in float32; in training, turn the scores into their gradients."""
    scores, slope, target = block.float(), None, target[:, None]
    if softcap is not None:
        scores = scores.div_(softcap).tanh_()
        slope = 1 - scores.square() if training else None
        scores = scores.mul_(softcap)
    picked = part.pick(scores, target)
    part.log_softmax(scores)
    likely = part.pick(scores, target)
    lse, smooth = picked - likely, config.label_smoothing
    loss = -likely if not smooth else (smooth - 1) * likely - smooth * part.mean(scores)
    loss = loss + config.z_loss * lse.square() if config.z_loss else loss
    if training:
        grad = scores.exp_()  # the softmax
        if config.z_loss:
            grad.mul_(1 + 2 * config.z_loss * lse)
        if smooth:
            grad.sub_(smooth / (grad.shape[1] * part.parts))
        part.add(grad, target, smooth - 1)
        if weight is not None:
            grad.mul_(weight[:, None])
        if slope is not None:
            grad.mul_(slope)
        block.copy_(grad)
    return loss[:, 0]


def _add(total: Tensor | None, part: Tensor, like: Tensor, more: bool) -> Tensor:
    """Return a sum of gradients with a part of it added; a sum of several parts is float32 at least."""
    if total is not None:
        return total.add_(part)
    return part.to(torch.promote_types(like.dtype, torch.float32) if more else like.dtype)
