"""Tensor parallelism: neighbours compute each matrix together, each some heads, inner widths and tokens.

Shoeybi et al. 2019 (arXiv:1909.08053). The plan goes by the names of modules, with the styles of PyTorch: matrices into
heads and inner widths are split by their outputs, those out of them by their inputs, so a sublayer has one sum over
neighbours; table and head are split by tokens (see `vocabulary`). All else is the same on every neighbour.
"""

import re
from typing import Any

from torch import nn
from torch.distributed.tensor import Replicate, Shard, distribute_tensor
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, SequenceParallel, parallelize_module

from trivium.base.errors import ConfigError
from trivium.model.layer.head import VocabularyHead
from trivium.model.layer.norm import JointRMSNormModule
from trivium.model.layer.position import ALiBiBias, BucketBias, RelativePosition
from trivium.model.transformer import Transformer
from trivium.train.parallel.layout import evenly
from trivium.train.parallel.vocabulary import VocabularyProduct

INSIDE = re.compile(r"(?:encoder|decoder)\.blocks\.\d+\.(?:attention|cross|ffn)\.(.+)")
STYLES: dict[str, Any] = dict.fromkeys(("q", "k", "v", "gate", "up"), ColwiseParallel)
STYLES |= dict.fromkeys(("o", "down"), RowwiseParallel)
STYLES |= {name: lambda: SequenceParallel(sequence_dim=1, use_local_output=True) for name in ("q_norm", "k_norm")}
"""How a module of a sublayer is split, by its name; a norm of heads has its whole weight, and reads its own heads."""


def split_matrices(model: nn.Module, mesh: Any) -> None:
    """Split a Transformer over the neighbours of a mesh of one dimension, in place.

    A ConfigError names a size that the neighbours cannot share evenly, and a part that cannot be split.
    """
    assert isinstance(model, Transformer)
    evenly(model.config, mesh.size())
    plan: dict[str, Any] = {}
    for name, module in model.named_modules():
        if (match := INSIDE.fullmatch(name)) and any(True for _ in module.parameters()):
            known = match[1] in STYLES and not isinstance(module, JointRMSNormModule)
            if not known and any(True for _ in module.parameters(recurse=False)):
                raise ConfigError(
                    f"parallel.tensor: {name} ({type(module).__name__}) cannot be split; leave tensor out"
                )
            plan |= {name: STYLES[match[1]]()} if known else {}
        elif isinstance(module, BucketBias):
            plan[f"{name}.table"] = ColwiseParallel()
        elif isinstance(module, ALiBiBias):
            module.slope = module.slope.chunk(mesh.size())[mesh.get_local_rank()]
        elif isinstance(module, RelativePosition) and type(module).bias is not RelativePosition.bias:
            raise ConfigError(f"parallel.tensor: {name} ({type(module).__name__}) cannot be split; leave tensor out")
    head, tied = model.head, model.tokens is not None and getattr(model.head, "weight", None) is model.tokens.weight
    if model.tokens is not None:
        plan["tokens"] = RowwiseParallel(input_layouts=Replicate())
    parallelize_module(model, mesh, plan)
    if isinstance(head, VocabularyHead):
        for name in ("weight", "bias"):
            if isinstance(whole := getattr(head, name), nn.Parameter):
                mine = nn.Parameter(distribute_tensor(whole, mesh, [Shard(0)]), whole.requires_grad)
                setattr(head, name, model.tokens.weight if tied and name == "weight" else mine)
        head.product = VocabularyProduct(head)
