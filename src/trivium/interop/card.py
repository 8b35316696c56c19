"""The README.md of a model folder: what the model is, its scores, how to use it."""

from collections.abc import Mapping
from typing import Any

from trivium.model.config import ModelConfig

PURPOSES = {"classify": "text-classification", "tag": "token-classification", "span": "question-answering"}
"""The pipeline tag of each head of a task."""


def purpose(config: ModelConfig, record: Mapping[str, Any]) -> str:
    """Return the pipeline tag of a model."""
    if config.head.kind in PURPOSES:
        return PURPOSES[config.head.kind]
    if record.get("pool"):
        return "sentence-similarity"
    return "fill-mask" if config.family == "encoder" else "text-generation"


def card(config: ModelConfig, record: Mapping[str, Any]) -> str:
    """Return the text of the card of a model, whose trivium.json is `record`."""
    architecture = record["stock"]
    header = {
        "library_name": "transformers" if architecture else "trivium",
        "pipeline_tag": purpose(config, record),
        "tags": f"[trivium, {config.family}]",
    }
    shape: dict[str, Any] = {
        "parameters": f"{record['parameters']:,}",
        "vocabulary": f"{config.vocab_size:,}",
        "width": config.hidden_size,
        "context": config.context,
    }
    for name, stack in config.stacks.items():
        shape[f"{name} layers"] = stack.layers
        shape[f"{name} heads"] = f"{stack.heads} ({stack.kv_heads or stack.heads} kv)"
    shape["stock class"] = architecture or "none: trivium.json describes it"
    lines = ["---", *(f"{key}: {value}" for key, value in header.items()), "---", ""]
    lines += [f"# {str(record.get('name') or 'A model').title()} made with Trivium", "", "| | |", "|---|---|"]
    lines += [f"| {key} | {value} |" for key, value in shape.items()]
    if evaluation := record.get("evaluation"):
        lines += ["", "## Evaluation", "", "| measure | value |", "|---|---|"]
        rows = {key: value for key, value in evaluation.items() if isinstance(value, int | float)}
        for task, found in evaluation.items():
            if isinstance(found, Mapping):
                rows |= {f"{task}: {key}": value for key, value in found.items() if isinstance(value, int | float)}
        lines += [f"| {key} | {value:.4g} |" for key, value in rows.items()]
    lines += ["", "## Use", "", "```python", "import trivium", 'model = trivium.load("this folder")']
    if config.head.kind == "classify":
        lines += ['print(model.classify(["Once upon a time"]))']
    elif record.get("pool"):
        lines += ['print(model.embed(["Once upon a time"]))']
    elif config.decoder and config.head.kind == "lm":
        lines += ['print(model.generate("Once upon a time"))']
    if architecture:
        lines += ["", "from transformers import AutoTokenizer", f"from transformers import {architecture}"]
        lines += [f'model = {architecture}.from_pretrained("this folder")']
        lines += ['tokenizer = AutoTokenizer.from_pretrained("this folder")']
    return "\n".join([*lines, "```", ""])
