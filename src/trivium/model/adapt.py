"""Low-rank adapters: train a small change B A beside a frozen matrix W (Hu et al. 2021, arXiv:2106.09685).

    y = W x + (alpha / rank) B A x        A [rank, in] starts random, B [out, rank] at zero

An adapted layer keeps `weight` and `bias` and adds `lora_a` and `lora_b`, so the rest of the model does not change.
`merge` adds the change to the matrix and restores the plain layer. Knows no file format.
"""

import math

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from trivium.base.config import Config, Seq
from trivium.base.errors import ConfigError
from trivium.model.init import Undrawn
from trivium.model.layer.head import HiddenHead, VocabularyHead
from trivium.model.transformer import Transformer


class Lora(Config):
    """The adapted layers and the size of their change."""

    rank: int = Field(8, gt=0, le=1 << 16)
    """The rank of the change."""
    alpha: float = Field(16.0, gt=0, le=1e6)
    """The change is multiplied by alpha / rank."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """The share of inputs of the change that is zeroed in training."""
    targets: Seq[str] = ("q", "k", "v", "o", "gate", "up", "down")
    """The adapted linear layers, by the last part of their names."""


class LoraLinear(nn.Linear):
    """A linear layer with a frozen matrix and a trained low-rank change."""

    def __init__(self, layer: nn.Linear, rank: int, alpha: float, dropout: float) -> None:
        with Undrawn():
            super().__init__(layer.in_features, layer.out_features, layer.bias is not None, device="meta")
        self.weight, self.bias = layer.weight, layer.bias
        self.rank, self.alpha, self.dropout = rank, alpha, dropout
        self.lora_a = nn.Parameter(layer.weight.new_empty(rank, layer.in_features))
        self.lora_b = nn.Parameter(layer.weight.new_zeros(layer.out_features, rank))
        nn.init.kaiming_uniform_(self.lora_a, a=math.sqrt(5))

    @property
    def scale(self) -> float:
        """The factor of the change."""
        return self.alpha / self.rank

    def forward(self, x: Float[Tensor, "*B I"]) -> Float[Tensor, "*B O"]:
        change = F.linear(F.linear(F.dropout(x, self.dropout, self.training), self.lora_a), self.lora_b)
        return super().forward(x) + self.scale * change

    def plain(self) -> nn.Linear:
        """Return the plain layer, with the change added to the matrix."""
        with Undrawn():
            layer = nn.Linear(self.in_features, self.out_features, self.bias is not None, device="meta")
        with torch.no_grad():
            layer.weight = nn.Parameter(self.weight + self.scale * (self.lora_b @ self.lora_a))
        layer.bias = self.bias
        return layer


def adapt(model: Transformer, lora: Lora) -> Transformer:
    """Put adapters on a model in place, and freeze all else except the head of a task.

    Outputs stay exactly the same until a step is trained. Raise ConfigError where the model has no such layer.
    """
    found = [
        name
        for name, module in model.named_modules()
        if type(module) is nn.Linear and not name.startswith("head.") and name.rsplit(".", 1)[-1] in lora.targets
    ]
    if missing := set(lora.targets) - {name.rsplit(".", 1)[-1] for name in found} - set(Lora().targets):
        raise ConfigError(f"lora.targets: the model has no linear layer called {', '.join(sorted(missing))}")
    if not found:
        raise ConfigError(f"lora.targets: the model has none of {', '.join(lora.targets)}")
    # The head of a pretrained model stays frozen; a head that a task added must be trained.
    learned = not isinstance(model.head, VocabularyHead | HiddenHead)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(learned and name.startswith("head."))
    for name in found:
        layer = model.get_submodule(name)
        assert isinstance(layer, nn.Linear)
        _put(model, name, LoraLinear(layer, lora.rank, lora.alpha, lora.dropout))
    return model


def adapted(model: Transformer) -> dict[str, LoraLinear]:
    """Return the adapted layers by name."""
    return {name: module for name, module in model.named_modules() if isinstance(module, LoraLinear)}


def merge(model: Transformer) -> Transformer:
    """Add every change to its matrix in place; all parameters are trainable again."""
    for name, layer in adapted(model).items():
        _put(model, name, layer.plain())
    return model.requires_grad_(True)  # type: ignore[return-value]


def _put(model: Transformer, name: str, layer: nn.Linear) -> None:
    parent, _, leaf = name.rpartition(".")
    setattr(model.get_submodule(parent), leaf, layer)
