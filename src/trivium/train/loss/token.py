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


class TokenLoss(Loss, kind="token"):
    """Cross-entropy of every token that is a target."""

    target: ClassVar = "token"
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    """The share of a target that is spread evenly over the vocabulary."""
    z_loss: float = Field(0.0, ge=0, le=100)
    """The weight of the squared log of the softmax denominator (PaLM, arXiv:2204.02311)."""
    chunk_rows: int = Field(512, gt=0, le=1 << 24)
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
        with torch.autocast(kind, enabled=False):
            return _ChunkedCrossEntropy.apply(  # type: ignore[no-any-return]
                features, head.weight, head.bias, targets, weights, head.softcap, self, dtype, torch.is_grad_enabled()
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
