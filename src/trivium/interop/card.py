"""The README.md of a model folder: what the model is, its scores, how to use it."""

import json
from collections.abc import Mapping
from typing import Any

from trivium.model.config import ModelConfig
from trivium.token.template import asked_by_template

PURPOSES = {"classify": "text-classification", "tag": "token-classification", "span": "question-answering"}
"""The pipeline tag of each head of a task."""
WRITERS = {"translate": "translation", "summarize": "summarization"}
"""The pipeline tag of each task of an encoder-decoder that writes; of all others it is `text2text-generation`."""
STOCK = {"no_repeat_ngram": "no_repeat_ngram_size"}
"""Our name of an option of `generate` -> the stock classes', where it is another."""
SAMPLE = "Once upon a time"


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
    lines += ["", "## Use", "", "```python", *usage(config, record, framed), "```", ""]
    return "\n".join(lines)


def usage(config: ModelConfig, record: Mapping[str, Any], framed: bool) -> list[str]:
    """Return lines of Python that use a model, first by this package, then by its stock class if it has one.

    Both give the same answer. A model is asked as it was tuned; of an encoder-decoder `framed` says that its chat
    template adds what the tokenizer adds, so that a prompt is the text alone.
    """
    lines = ["import trivium", 'model = trivium.load("this folder")']
    architecture, writes = record["stock"], config.decoder is not None and config.head.kind == "lm"
    both, tuned = config.family == "encoder_decoder", asked_by_template(record)
    text = f"{record.get('prefix', '')}{SAMPLE}"
    asked, messages = json.dumps(text, ensure_ascii=False), json.dumps([{"role": "user", "content": text}])
    told = {"max_new_tokens": 64, **record.get("generation", {})} if tuned else {"max_new_tokens": 64}
    if config.head.kind == "classify":
        lines += [f'print(model.classify(["{SAMPLE}"]))']
    elif "vectors" in record:
        lines += [f'print(model.embed(["{SAMPLE}"]))']
    elif writes and tuned and not both:  # a conversation is not searched by beams
        told = {"max_new_tokens": told["max_new_tokens"]}
        lines += [f"print(model.chat({messages}, {_options(told)}))"]
    elif writes:
        lines += [f"print(model.generate({asked}, {_options(told)}))"]
    if not architecture:
        return lines
    lines += ["", "from transformers import AutoTokenizer", f"from transformers import {architecture}"]
    lines += [f'model = {architecture}.from_pretrained("this folder")']
    lines += ['tokenizer = AutoTokenizer.from_pretrained("this folder")']
    if not writes:
        return lines
    if tuned and not framed:
        talk = 'add_generation_prompt=True, return_tensors="pt", return_dict=True'
        lines += [f"inputs = tokenizer.apply_chat_template({messages}, {talk})"]
    else:
        lines += [f'inputs = tokenizer({asked}, return_tensors="pt")']
    own = {STOCK.get(name, name): value for name, value in told.items()}
    lines += [f"ids = model.generate(**inputs, {_options(own)}, do_sample=False)[0]"]
    start = "" if both else '[inputs["input_ids"].shape[1] :]'
    return [*lines, f"print(tokenizer.decode(ids{start}, skip_special_tokens=True))"]


def _options(given: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in given.items())
