"""The README.md of a model folder: what the model is, measured how, and how to use it."""

from collections.abc import Mapping
from typing import Any

from trivium.model.config import ModelConfig


def card(config: ModelConfig, architecture: str | None, parameters: int, record: Mapping[str, Any]) -> str:
    """Write the model card; `architecture` is the stock class that loads the folder, if one does."""
    header = {
        "library_name": "transformers" if architecture else "trivium",
        "pipeline_tag": "fill-mask" if config.family == "encoder" else "text-generation",
        "tags": f"[trivium, {config.family}]",
    }
    shape = {
        "parameters": f"{parameters:,}",
        "vocabulary": f"{config.vocab_size:,}",
        "width": config.hidden_size,
        "context": config.context,
        **{f"{name} layers": stack.layers for name, stack in config.stacks.items()},
        **{
            f"{name} heads": f"{stack.heads} ({stack.kv_heads or stack.heads} kv)"
            for name, stack in config.stacks.items()
        },
        "stock class": architecture or "none: trivium.json describes it",
    }
    lines = ["---", *(f"{key}: {value}" for key, value in header.items()), "---", ""]
    lines += [f"# {str(record.get('name') or 'A model').title()} made with Trivium", "", "| | |", "|---|---|"]
    lines += [f"| {key} | {value} |" for key, value in shape.items()]
    if isinstance(evaluation := record.get("evaluation"), Mapping) and evaluation:
        lines += ["", "## Evaluation", "", "| measure | value |", "|---|---|"]
        lines += [f"| {key} | {value:.4g} |" for key, value in evaluation.items() if isinstance(value, int | float)]
    lines += ["", "## Use", "", "```python", "import trivium", 'model = trivium.load("this folder")']
    if config.decoder:
        lines += ['print(model.generate("Once upon a time"))']
    if architecture:
        lines += ["", "from transformers import AutoTokenizer", f"from transformers import {architecture}"]
        lines += [f'model = {architecture}.from_pretrained("this folder")']
        lines += ['tokenizer = AutoTokenizer.from_pretrained("this folder")']
    return "\n".join([*lines, "```", ""])
