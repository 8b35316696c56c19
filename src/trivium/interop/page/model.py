"""Describe a model for the JavaScript of a page: the fields of its config, and the tables that follow from them.

A kind that `model.js` does not compute is an error here that names its field.
"""

from collections.abc import Iterator
from typing import Any

from torch import Tensor

from trivium.base.config import Choice, Config, dump
from trivium.base.errors import ModelError
from trivium.model.attention import pattern, sparse
from trivium.model.config import ModelConfig
from trivium.model.layer import embed, ffn, head, norm, position, residual, scaling, score
from trivium.model.stack import Stack, StackConfig
from trivium.model.transformer import Transformer
from trivium.model.weights import collect

KNOWN = {
    *(norm.RMSNorm, norm.JointRMSNorm, norm.LayerNorm, norm.NoNorm, ffn.MLP, ffn.GLU),
    *(position.NoPosition, position.Learned, position.Sinusoid, position.M2M100),
    *(position.RoPE, position.Bucket, position.ALiBi),
    *(scaling.NoScaling, scaling.Linear, scaling.YaRN, scaling.Llama3),
    *(pattern.Full, pattern.Causal, pattern.Window, pattern.And, pattern.Or),
    *(sparse.Dilated, sparse.Global, sparse.BlockSparse, sparse.Strided, sparse.Fixed),
    *(residual.Pre, residual.Post, residual.Sandwich, residual.Parallel),
    *(embed.Tokens, head.LM, head.MLM, score.SequenceClassification, score.TokenClassification),
}
"""The kinds that a page computes."""


def check(config: ModelConfig) -> None:
    """Raise ModelError for a model that a page does not compute, with the field to blame."""
    if config.pictures is not None:
        raise ModelError("encoder.embed: a page reads texts, and this model reads pictures")
    shown = {"embed": config.embed, "head": config.head, **config.stacks}
    for name, choice in (found for key, value in shown.items() for found in _choices(key, value)):
        if type(choice) not in KNOWN:
            raise ModelError(f"{name}: a page computes no {type(choice).__mro__[1].__name__.lower()} {choice.kind!r}")


def describe(transformer: Transformer) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the description of a model and its tensors by name: weights, and tables in place of positions.

    ModelError: see `check`.
    """
    config, state = transformer.config, dict(collect(transformer))
    check(config)
    stacks = {}
    for name, stack in config.stacks.items():
        module: Stack = getattr(transformer, name)
        stacks[name], tables = _stack(config, name, stack, module)
        state = {key: tensor for key, tensor in state.items() if not key.startswith(f"{name}.relative.")} | tables
        added = transformer.inputs[name].position
        if isinstance(added, position.SinusoidEmbedding):
            state[f"inputs.{name}.position.frequency"] = added.frequency
    return {"family": config.family, "hidden_size": config.hidden_size, "head": dump(config.head), **stacks}, state


def _choices(path: str, value: Any) -> Iterator[tuple[str, Choice]]:
    """Yield each choice in a part of a config with its place."""
    if isinstance(value, Choice):
        yield path, value
    if isinstance(value, Config):
        for name in type(value).model_fields:
            yield from _choices(f"{path}.{name}", getattr(value, name))
    if isinstance(value, tuple):
        for one in value:
            yield from _choices(path, one)


def _stack(
    config: ModelConfig, name: str, stack: StackConfig, module: Stack
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the description of a stack with every default filled in, and the tables of its positions."""
    width, tables, tree = config.width(name), dict[str, Tensor](), dump(stack)
    for number, relative in enumerate(module.relative):
        place = f"{name}.relative.{number}"
        if isinstance(relative, position.RotaryEmbedding):
            tables[f"{place}.frequency"] = relative.frequency
            tree["position"][number] = {"kind": "rope", "magnitude": relative.scaling.magnitude}
        elif isinstance(relative, position.BucketBias):
            tables[f"{place}.bias"] = relative.table.weight.detach()[relative.bucket].t()  # H distances
        elif isinstance(relative, position.ALiBiBias):
            tables[f"{place}.slope"] = relative.slope
    scales = [stack.attention(width, layer=layer).scale for layer in range(stack.layers)]
    more: dict[str, Any] = {
        "width": width,
        "kv_heads": stack.kv_heads or stack.heads,
        "head_size": stack.head_width(width),
    }
    more |= {"scales": scales, "embed": dump(config.reads(name)), "memory_size": config.memory_size}
    return {**tree, **more}, tables
