"""The README.md of a model folder: what the model is, what it learned from, its scores, its use and its limits."""

from collections.abc import Mapping, Sequence
from typing import Any

from trivium.base.folder import HUB, is_hub
from trivium.interop.card import section
from trivium.interop.card.usage import usage
from trivium.model.config import ModelConfig

PURPOSES = {"classify": "text-classification", "tag": "token-classification", "span": "question-answering"}
"""The pipeline tag of each head of a task."""
WRITERS = {"translate": "translation", "summarize": "summarization"}
"""The pipeline tag of each task of an encoder-decoder that writes; of all others it is `text2text-generation`."""


def purpose(config: ModelConfig, record: Mapping[str, Any]) -> str:
    """Return the pipeline tag of a model."""
    if config.head.kind in PURPOSES:
        return PURPOSES[config.head.kind]
    if "vectors" in record:
        return "sentence-similarity"
    if config.family == "encoder_decoder":
        return WRITERS.get(str(record.get("task")), "text2text-generation")
    return "fill-mask" if config.family == "encoder" else "text-generation"


def card(config: ModelConfig, record: Mapping[str, Any], framed: bool = False) -> str:
    """Return the text of the card of a model, whose trivium.json is `record`; `framed` as in `usage`."""
    title = f"# {str(record['name']).title() if record.get('name') else 'A model'} made with Trivium"
    parts = [
        ["---", header(config, record), "---", "", title, "", *section.table(("", ""), _shape(config, record))],
        _section("Data", section.data(record)),
        _section("Training", section.training(record)),
        _section("Scores", section.scores(record)),
        _section("Use", ["```python", *usage(config, record, framed), "```"]),
        _section("Limits", section.limits(config, record)),
        _section("Citation", section.citation()),
    ]
    return "\n".join(line for part in parts for line in part) + "\n"


def header(config: ModelConfig, record: Mapping[str, Any]) -> str:
    """Return the metadata of a card as YAML, in the fields of the hub."""
    from huggingface_hub import ModelCardData

    facts, base = record.get("trained_on", []), section.base(record)
    languages = sorted({code for one in facts for code in one.get("languages", [])})
    metadata = ModelCardData(
        library_name="transformers" if record["stock"] else "trivium",
        pipeline_tag=purpose(config, record),
        tags=["trivium", config.family],
        base_model=base.removeprefix(HUB).partition("@")[0] if base and is_hub(base) else None,
        datasets=sorted({name for one in facts for name in one.get("hub", [])}) or None,
        language=[code for code in languages if len(code) in (2, 3) and code != "und"] or None,
    )
    return str(metadata.to_yaml()).strip()


def _shape(config: ModelConfig, record: Mapping[str, Any]) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "parameters": f"{record['parameters']:,}",
        "vocabulary": f"{config.vocab_size:,}",
        "width": config.hidden_size,
        "context": config.context,
    }
    for name, stack in config.stacks.items():
        shape[f"{name} layers"] = stack.layers
        shape[f"{name} heads"] = f"{stack.heads} ({stack.kv_heads or stack.heads} kv)"
    return {**shape, "stock class": record["stock"] or "none: trivium.json describes it"}


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return ["", f"## {title}", "", *lines] if lines else []
