"""Low-rank adapters: learn a small change B A beside a frozen matrix W (Hu et al. 2021, arXiv:2106.09685).

    y = W x + (alpha / rank) B A x        A [rank, in] starts random, B [out, rank] at zero

An adapted layer keeps its names, `weight` and `bias`, and has `lora_a` and `lora_b` beside them, so nothing else in
the model knows. `merge` adds the change to the matrix and gives the plain layer back. Knows no file format.
"""

import math

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from trivium.base.config import Config, Seq
from trivium.base.errors import ConfigError
from trivium.model.layer.head import HiddenHead, VocabularyHead
from trivium.model.transformer import Transformer


class Lora(Config):
    """What is adapted, and how much it may change."""

    rank: int = Field(8, gt=0)
    alpha: float = Field(16.0, gt=0)
    """The change is scaled by alpha / rank."""
    dropout: float = Field(0.0, ge=0, lt=1)
    targets: Seq[str] = ("q", "k", "v", "o", "gate", "up", "down")
    """The last part of the names of the linear layers that are adapted."""


class LoraLinear(nn.Linear):
    """A linear layer whose matrix is frozen, and the change that is learned beside it."""

    def __init__(self, layer: nn.Linear, rank: int, alpha: float, dropout: float) -> None:
        super().__init__(layer.in_features, layer.out_features, layer.bias is not None, device="meta")
        self.weight, self.bias = layer.weight, layer.bias
        self.rank, self.alpha, self.dropout = rank, alpha, dropout
        self.lora_a = nn.Parameter(layer.weight.new_empty(rank, layer.in_features))
        self.lora_b = nn.Parameter(layer.weight.new_zeros(layer.out_features, rank))
        nn.init.kaiming_uniform_(self.lora_a, a=math.sqrt(5))

    @property
    def scale(self) -> float:
        """What the change is multiplied by."""
        return self.alpha / self.rank

    def forward(self, x: Float[Tensor, "*B I"]) -> Float[Tensor, "*B O"]:
        change = F.linear(F.linear(F.dropout(x, self.dropout, self.training), self.lora_a), self.lora_b)
        return super().forward(x) + self.scale * change

    def plain(self) -> nn.Linear:
        """The layer with its change added to its matrix."""
        layer = nn.Linear(self.in_features, self.out_features, self.bias is not None, device="meta")
        with torch.no_grad():
            layer.weight = nn.Parameter(self.weight + self.scale * (self.lora_b @ self.lora_a))
        layer.bias = self.bias
        return layer


def adapt(model: Transformer, lora: Lora) -> Transformer:
    """Put adapters on a model, in place, and freeze all else but a task's own head.

    Scores stay what they were, exactly, until something is learned.
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
    # A head that a pretrained model brought along stays as it is; one that a task has added must be learned.
    learned = not isinstance(model.head, VocabularyHead | HiddenHead)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(learned and name.startswith("head."))
    for name in found:
        put(model, name, lora.rank, lora.alpha, lora.dropout)
    return model


def put(model: Transformer, name: str, rank: int, alpha: float, dropout: float = 0.0) -> LoraLinear:
    """Put an adapter on one linear layer."""
    parent, _, leaf = name.rpartition(".")
    layer = model.get_submodule(name)
    assert type(layer) is nn.Linear, f"{name} is no plain linear layer"
    made = LoraLinear(layer, rank, alpha, dropout)
    setattr(model.get_submodule(parent), leaf, made)
    return made


def adapted(model: Transformer) -> dict[str, LoraLinear]:
    """The adapted layers by name."""
    return {name: module for name, module in model.named_modules() if isinstance(module, LoraLinear)}


def merge(model: Transformer) -> Transformer:
    """Add every change to its matrix, in place; all parameters are trainable again."""
    for name, layer in adapted(model).items():
        parent, _, leaf = name.rpartition(".")
        setattr(model.get_submodule(parent), leaf, layer.plain())
    return model.requires_grad_(True)  # type: ignore[return-value]
