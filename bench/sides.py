"""The sides of `train.py`: a step of ours, of nanoGPT, of transformers and of litgpt on the same ids."""

import os
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

Run = Callable[[], float]
"""Do one step and return its loss."""


class Case(NamedTuple):
    """A model, the ids of a step, and the sides in order; the first peer is at its default."""

    model: dict[str, Any]
    """What `configure` takes."""
    rows: int
    length: int
    """Ids of a row; of an encoder-decoder the decoder reads a quarter of it beside."""
    sides: tuple[str, ...]
    steps: int = 1
    """Steps of a turn."""


NANO = {
    "layers": "n_layer",
    "heads": "n_head",
    "hidden_size": "n_embd",
    "vocab_size": "vocab_size",
    "context": "block_size",
}
"""Our names of sizes, and nanoGPT's."""
LIT = {**NANO, "kv_heads": "n_query_groups", "ffn_size": "intermediate_size"}
LLAMA = {"layers": "num_hidden_layers", "heads": "num_attention_heads", "kv_heads": "num_key_value_heads"}
LLAMA |= {"hidden_size": "hidden_size", "ffn_size": "intermediate_size", "vocab_size": "vocab_size"}
LLAMA |= {"context": "max_position_embeddings"}


def ids(case: Case) -> Any:
    """Return the same random ids [B, T + 1] for every side."""
    import numpy as np

    return np.random.default_rng(0).integers(5, case.model.get("vocab_size", 30000), (case.rows, case.length + 1))


def masked(case: Case) -> Any:
    """Return which 15 % of the places an encoder must predict."""
    import numpy as np

    return np.random.default_rng(1).random((case.rows, case.length)) < 0.15


def ours(case: Case, words: list[str]) -> Run:
    """Return a step of ours."""
    import numpy as np
    import torch

    from trivium.base.batch import Batch, Stream
    from trivium.base.config import parse
    from trivium.model.config import configure
    from trivium.model.device import reuse_memory
    from trivium.model.transformer import Transformer
    from trivium.train.half import half_weights
    from trivium.train.parallel.world import World
    from trivium.train.recipe import Recipe
    from trivium.train.recompute import recompute
    from trivium.train.step import train_step

    reuse_memory()
    torch.manual_seed(0)
    config = configure(**case.model)
    model = Transformer(config).train()
    tree = {"data": {"path": "none"}, "model": {"preset": "gpt2", "vocab_size": 64}}
    recipe = parse(Recipe, {**tree, "budget_steps": 1}, "bench")
    optimizer = recipe.optim.build(model)
    precision = torch.bfloat16 if "bf16" in words else torch.float32
    halves, read = half_weights(model, optimizer, precision), ids(case)

    def stream(part: Any) -> Stream:
        places = np.broadcast_to(np.arange(part.shape[1]), part.shape)
        return Stream(part, places, np.ones_like(part), plain=True)

    if config.encoder is None:
        batch = Batch(None, stream(read[:, :-1]), {"token": read[:, 1:]})
    elif config.decoder is None:
        batch = Batch(stream(read[:, :-1]), None, {"token": np.where(masked(case), read[:, :-1], -100)})
    else:
        wanted = read[:, : case.length // 4]
        shifted = np.concatenate([np.zeros_like(wanted[:, :1]), wanted[:, :-1]], axis=1)
        batch = Batch(stream(read[:, :-1]), stream(shifted), {"token": wanted})
    if "compiled" in words:
        model.compile()
    if "recompute" in words:
        recompute(model, 1.0)
    batches = parted(batch, 4) if "parts" in words else [batch]
    return lambda: train_step(model, model, optimizer, batches, 3e-4, recipe, 0, precision, World(), halves).loss


def parted(batch: Any, count: int) -> list[Any]:
    """Return the rows of a batch of a decoder in so many micro-batches."""
    from dataclasses import replace

    import numpy as np

    found = []
    for rows in np.array_split(np.arange(len(batch.dec.ids)), count):
        arrays = {name: getattr(batch.dec, name)[rows] for name in ("ids", "positions", "documents")}
        targets = {head: wanted[rows] for head, wanted in batch.targets.items()}
        found.append(replace(batch, dec=replace(batch.dec, **arrays), targets=targets))
    return found


def theirs(words: list[str], model: Any, optimizer: Any, forward: Callable[[Any], Any], device: str = "cpu") -> Run:
    """Return a step of a peer: `forward` of its model, compiled or not, gives the loss."""
    import torch

    called = torch.compile(model) if "compiled" in words else model

    def step() -> float:
        with torch.autocast(device, dtype=torch.bfloat16, enabled="bf16" in words):
            loss = forward(called)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return float(loss.item())

    return step


def nano(case: Case, lr: float, beta2: float, seed: int = 0, **more: Any) -> tuple[Any, Any]:
    """Return nanoGPT's model, with `more` of its own fields, and its own optimizer."""
    import torch

    sys.path.insert(0, os.environ["NANOGPT"])
    from model import GPT, GPTConfig

    torch.manual_seed(seed)
    model = GPT(GPTConfig(**named(case, NANO), **more))
    return model, model.configure_optimizers(0.1, lr, (0.9, beta2), "cpu")


def nanogpt(case: Case, words: list[str]) -> Run:
    """Return a step of nanoGPT's model with its own optimizer."""
    import torch

    model, optimizer = nano(case, 3e-4, 0.95)
    read = torch.from_numpy(ids(case))
    return theirs(words, model, optimizer, lambda called: called(read[:, :-1], read[:, 1:].contiguous())[1])


def transformers(case: Case, words: list[str]) -> Run:
    """Return a step of transformers' model, with torch's fused AdamW."""
    import torch
    from transformers import (
        BertConfig,
        BertForMaskedLM,
        LlamaConfig,
        LlamaForCausalLM,
        T5Config,
        T5ForConditionalGeneration,
    )

    torch.manual_seed(0)
    read = torch.from_numpy(ids(case))[:, :-1].contiguous()
    labels, model = read, None  # a causal model of transformers shifts its labels itself
    if case.model["preset"] == "bert":
        dropout = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
        model: Any = BertForMaskedLM(BertConfig(**dropout))
        labels = torch.where(torch.from_numpy(masked(case)), read, -100)
    elif case.model["preset"] == "t5":
        sizes = {"d_model": 512, "num_layers": 6, "num_heads": 8, "d_ff": 2048, "vocab_size": 32128, "d_kv": 64}
        model = T5ForConditionalGeneration(T5Config(**sizes, dropout_rate=0.0, decoder_start_token_id=0))
        labels = read[:, : case.length // 4].contiguous()
    else:
        model = LlamaForCausalLM(
            LlamaConfig(**named(case, LLAMA), tie_word_embeddings=case.model["tie"], use_cache=False)
        )
    optimizer = torch.optim.AdamW(model.parameters(), 3e-4, (0.9, 0.95), fused=True)
    return theirs(words, model.train(), optimizer, lambda called: called(input_ids=read, labels=labels).loss)


def litgpt(case: Case, words: list[str]) -> Run:
    """Return a step of litgpt's model with its own chunked loss and torch's fused AdamW, as its `pretrain` has them."""
    import torch
    from litgpt.config import Config
    from litgpt.model import GPT
    from litgpt.utils import chunked_cross_entropy

    torch.manual_seed(0)
    kind = {"norm_class_name": "RMSNorm", "mlp_class_name": "LLaMAMLP", "parallel_residual": False, "bias": False}
    sizes = named(case, LIT)
    model = GPT(Config(**kind, **sizes, padded_vocab_size=sizes["vocab_size"], rotary_percentage=1.0))
    model.apply(model._init_weights)
    if case.model["tie"]:
        model.lm_head.weight = model.transformer.wte.weight
    optimizer = torch.optim.AdamW(model.parameters(), 3e-4, (0.9, 0.95), fused=True)
    read = torch.from_numpy(ids(case))
    wanted = read[:, 1:].contiguous()
    return theirs(
        words, model, optimizer, lambda called: chunked_cross_entropy(called(read[:, :-1]), wanted, chunk_size=0)
    )


def named(case: Case, names: dict[str, str]) -> dict[str, Any]:
    """Return the sizes of the model that a case states, in a peer's names."""
    return {other: case.model[own] for own, other in names.items() if own in case.model}


SIDES = {"trivium": ours, "nanogpt": nanogpt, "transformers": transformers, "litgpt": litgpt}
