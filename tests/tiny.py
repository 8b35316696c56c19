"""The smallest things that can be trained: a corpus, its rows, a model, a recipe. Whoever asks names what matters."""

import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from trivium.base import plugin
from trivium.base.config import Choice, merge, parse
from trivium.base.files import write_json
from trivium.base.seeds import generator
from trivium.base.types import IGNORE, Example, Vocabulary
from trivium.data.loader import Loader
from trivium.data.rows import DocumentRows, ExampleRows, LateExample, Rows
from trivium.data.shards import Corpus, ShardWriter
from trivium.model.config import ModelConfig, configure
from trivium.model.presets import PRESETS
from trivium.model.transformer import Transformer
from trivium.objective.causal import CausalLM
from trivium.train.recipe import Recipe

VOCABULARY = Vocabulary(size=64, pad=0, bos=1, eos=2, special=frozenset({0, 1, 2}))
ENDS = np.arange(96) % 7 == 0
MARKED = replace(
    VOCABULARY,
    size=96,
    mask=64,
    sentinels=tuple(range(66, 96)),
    special=frozenset({0, 1, 2, *range(64, 96)}),
    word_start=ENDS,
    sentence_end=ENDS,
)
"""With what every objective needs: a mask, sentinels, and where words and sentences begin and end."""


def families(cls: type[Choice] = Choice) -> set[type[Choice]]:
    """Every family of kinds that has been imported."""
    below = {inner for child in cls.__subclasses__() for inner in families(child)}
    return below | ({cls} if Choice in cls.__bases__ else set())


@contextmanager
def forgetting() -> Iterator[None]:
    """Begin without any imported file, and forget afterwards the kinds and files that were imported meanwhile."""
    kinds, files = {family: dict(family.kinds) for family in families()}, dict(plugin.IMPORTED)

    def put(known: Mapping[type[Choice], dict[str, Any]]) -> None:
        for family, there in known.items():
            family.kinds.clear()
            family.kinds.update(there)

    put({family: {n: k for n, k in there.items() if k.__module__ not in files} for family, there in kinds.items()})
    modules = {name: sys.modules.pop(name) for name in files}
    plugin.IMPORTED.clear()
    try:
        yield
    finally:
        put(kinds)
        for name in plugin.IMPORTED:
            del sys.modules[name]
        sys.modules.update(modules)
        plugin.IMPORTED.clear()
        plugin.IMPORTED.update(files)


def documents(lengths: Sequence[int], seed: int = 0) -> list[np.ndarray]:
    """Documents of these lengths, each a walk through the content ids that a model can learn."""
    out = []
    for number, length in enumerate(lengths):
        rng = generator(seed, number)
        out.append(3 + (rng.integers(61) + np.cumsum(rng.integers(1, 4, size=length))) % 61)
    return out


def write_corpus(
    folder: Path,
    train: Sequence[np.ndarray],
    valid: Sequence[np.ndarray] = (),
    vocab_size: int = 64,
    shard_documents: int = 1000,
) -> Path:
    """A data folder of documents given as ids, as `prepare` would lay it out."""
    folder.mkdir(parents=True, exist_ok=True)
    splits: dict[str, list[dict[str, Any]]] = {"train": [], "valid": []}
    for split, texts in (("train", train), ("valid", valid)):
        for at in range(0, len(texts), shard_documents):
            part = texts[at : at + shard_documents]
            ids = np.concatenate([np.empty(0, np.int64), *part])
            offsets = np.cumsum([0, *map(len, part)])
            name = f"{split}-{len(splits[split]):05d}"
            with ShardWriter(folder, name, vocab_size) as shard:
                shard.add(ids, offsets, 3 * len(ids))
            splits[split].append(shard.line)
    write_json(
        folder / "manifest.json",
        {
            "format": 1,
            "dtype": "<u2" if vocab_size <= 65536 else "<u4",
            "vocab_size": vocab_size,
            "tokenizer": "none",
            "splits": splits,
            "inputs_hash": "",
            "dataset_id": "tiny",
        },
    )
    return folder


def document_rows(folder: Path, length: int = 16, split: str = "train", **options: Any) -> DocumentRows:
    """Rows of a data folder for next-token prediction."""
    return DocumentRows(Corpus(folder, split), CausalLM(), VOCABULARY, length, **options)


def example(labels: int, length: int, seed: int = 0, weight: float | None = None) -> Example:
    """A sequence whose last `labels` next tokens are targets."""
    ids = generator(seed, length).integers(3, 64, size=length + 1)
    targets = ids[1:].copy()
    targets[: length - labels] = IGNORE
    weights = None if weight is None else np.full(length, weight, dtype=np.float32)
    return Example(dec=ids[:-1], targets={"token": targets}, weights=weights)


def example_rows(examples: Sequence[Example]) -> ExampleRows:
    """One row for each example."""
    return ExampleRows([[one] for one in examples], max(map(len, examples)), packing="pad")


def model(preset: str = "llama", seed: int = 0, tree: dict[str, Any] | None = None, **decoder: Any) -> Transformer:
    """A preset of two layers and two heads, 32 wide."""
    small = {"preset": preset, "depth": 2, "vocab_size": 64, "hidden_size": 32, "context": 64}
    given = merge(tree or {}, {"decoder": decoder} if decoder else {})
    torch.manual_seed(seed)
    return Transformer(parse(ModelConfig, merge(small, given)))


def lively(preset: str = "llama", **changes: Any) -> Transformer:
    """A model of two layers whose next token depends strongly on what it sees."""
    torch.manual_seed(0)
    options = {"layers": 2, "hidden_size": 32, "heads": 4, "context": 256, "vocab_size": 97, **changes}
    transformer = Transformer(configure(preset, **options))
    with torch.no_grad():
        for name, parameter in transformer.named_parameters():
            parameter.copy_(torch.randn(parameter.shape) * (0.4 if parameter.dim() > 1 else 0.2) + ("norm" in name))
    return transformer.eval()


def recipe(**changes: Any) -> Recipe:
    """A recipe for `model`, in float32."""
    tree: dict[str, Any] = {
        "data": {"path": ["nowhere"]},
        "model": {"preset": "llama", "depth": 2, "vocab_size": 64, "hidden_size": 32, "context": 64},
        "optim": {"lr": 1e-2},
        "precision": "fp32",
        "batch_tokens": 64,
        "micro_rows": 2,
        "log_every_steps": 1,
    }
    budget = {} if any(key.startswith("budget") for key in changes) else {"budget_steps": 4}
    return parse(Recipe, merge(tree, {**budget, **changes}))


def loader(rows: Rows, step_rows: int = 4, micro_rows: int = 2, **options: Any) -> Loader:
    """The batches of rows."""
    return Loader(rows, step_rows, micro_rows, VOCABULARY.pad, **options)


def gradients(module: torch.nn.Module) -> torch.Tensor:
    """All gradients as one vector; one that is missing is an error."""
    assert not (none := [name for name, p in module.named_parameters() if p.grad is None]), none
    return torch.cat([p.grad.flatten().double() for p in module.parameters()])


class Recorder:
    """Stands in for an optimizer and keeps the gradients it is given."""

    def __init__(self, module: torch.nn.Module) -> None:
        self.module, self.param_groups = module, [{"lr": 0.0}]
        self.seen: list[torch.Tensor] = []

    def step(self) -> None:
        self.seen.append(gradients(self.module))

    def zero_grad(self, set_to_none: bool = True) -> None:
        self.module.zero_grad(set_to_none=set_to_none)


def late_rows(count, packing, seen):
    """Late examples of n + 1 tokens, which note the threads that make them and hold a drawn number."""

    def make(number):
        def made(rng):
            seen.append((number, threading.get_ident()))
            return Example(dec=np.full(number + 1, rng.integers(1 << 30)), targets={"token": np.zeros(number + 1)})

        return made

    return ExampleRows([[LateExample(n + 1, make(n), f"rows:{n + 1}")] for n in range(count)], 16, 5, packing)


TEXTS = sorted(name for name in PRESETS if parse(ModelConfig, {"preset": name, "depth": 1}).pictures is None)
"""The presets that read texts alone."""
