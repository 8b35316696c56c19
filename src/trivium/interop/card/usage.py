"""The lines of a card that use the model, by this package and by its stock class."""

import json
from collections.abc import Mapping
from typing import Any

from trivium.model.config import ModelConfig
from trivium.model.layer.score import SequenceClassification
from trivium.token.template import asked_by_template

STOCK = {"no_repeat_ngram": "no_repeat_ngram_size"}
"""Our name of an option of `generate` -> the stock classes', where it is another."""
SAMPLE = "Once upon a time"


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
    told = {"max_new_tokens": 64, **(record.get("generation", {}) if tuned else {})}
    told["max_new_tokens"] = min(told["max_new_tokens"], config.context)
    if isinstance(config.head, SequenceClassification) and config.head.single:
        lines += [f'print(model.score([("{SAMPLE}", "there was a king")]))']
    elif config.head.kind == "classify":
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
    if "vectors" in record:
        lines += ["", "from sentence_transformers import SentenceTransformer"]
        return [*lines, f'print(SentenceTransformer("this folder").encode(["{SAMPLE}"]))']
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
