"""Write a model as one HTML file that computes it in a browser, without a network.

The file holds the description, the tokenizer and the weights as data, and the JavaScript beside this module. Its policy
lets the browser run that script alone and load nothing.
"""

import base64
import html
from functools import cache
from pathlib import Path
from typing import Any

from trivium.base import files
from trivium.base.errors import ConfigError, DataError, ModelError
from trivium.base.log import warn
from trivium.base.policy import embedded, guarded
from trivium.base.types import Message
from trivium.interop.beside.generation import NOWHERE, UNSAID
from trivium.interop.hub import Folder
from trivium.interop.page import model as models
from trivium.interop.page import tokenizer as tokenizers
from trivium.interop.page.weights import matrices, pack
from trivium.model.layer.head import LM, MLM
from trivium.model.layer.score import SequenceClassification
from trivium.token.frame import frame_of
from trivium.token.template import asked_by_template, ids, render
from trivium.token.tokenizer import Tokenizer

TYPES = ("int8", "fp32")
"""How matrices are stored; None is the first."""
LARGEST = 256 << 20
"""The most bytes of weights: a browser keeps a text of no more than about half a billion characters."""
USED = ("temperature", "max_new_tokens")
"""The options of generation that the page begins with."""
SCRIPTS = ("tensor", "model", "tokens", "reader", "panels", "heads", "page")
HERE = Path(__file__).parent


def write(file: str | Path, model: Folder, quantize: str | None = None, name: str = "trivium") -> Path:
    """Write the page of a model, whole or not at all; `quantize` None stores matrices in 8 bits, "fp32" as they are.

    What a page cannot compute is a ModelError.
    """
    if quantize not in (None, *TYPES):
        raise ConfigError(f"quantize: expected one of {', '.join(TYPES)}, found {quantize!r}")
    file = Path(file)
    if file.is_dir():
        raise ConfigError(f"{file}: expected a file to write, found a folder")
    plan, state = models.describe(model.transformer)
    plan |= {"name": name, **_texts(model)}
    small = matrices(model.transformer) if quantize != "fp32" else set[str]()
    plan["weights"], data = pack(state, small & state.keys())
    if len(data) > LARGEST:
        raise ModelError(
            f"{len(data):,} bytes of weights: expected at most {LARGEST:,}, what a browser reads in a page"
        )
    if left := [f"{key} {value}" for key, value in model.defaults.items() if key not in USED]:
        warn(f"the page chooses by temperature alone; it does not use {', '.join(left)} of this model")
    files.write_text(file, page(plan, data, name))
    return file


def page(plan: dict[str, Any], data: bytes, name: str) -> str:
    """Return the HTML of a described model and its weights."""
    parts = {
        "title": html.escape(name),
        "style": _read("page.css"),
        "script": "\n".join(_read(f"{one}.js") for one in SCRIPTS),
        "plan": embedded(plan),
        "weights": base64.b64encode(data).decode(),
    }
    first, *others = _read("page.html").split("{{")
    return guarded(first + "".join(parts[key] + rest for key, _, rest in (other.partition("}}") for other in others)))


@cache
def _read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def _texts(model: Folder) -> dict[str, Any]:
    """Return how texts become ids, where a generation begins and ends, and what the page shows."""
    config, tokenizer = model.config, model.tokenizer
    if tokenizer is None:
        raise ModelError("this model has no tokenizer (no tokenizer.json), and a page needs one")
    labels = not isinstance(config.head, LM | MLM)
    wrap = bool(getattr(config.head, "wrap", False))
    if config.family == "encoder_decoder" and model.start == NOWHERE and not wrap:
        raise ModelError(UNSAID)
    start = tokenizer.vocabulary.pad if model.start is None else model.start
    types = bool(getattr(config.embed, "types", 0))
    frame = frame_of(tokenizer, config.family, start == tokenizer.vocabulary.pad, types)
    task = ("classify" if isinstance(config.head, SequenceClassification) else "tag") if labels else "write"
    return {
        "tokenizer": tokenizers.describe(tokenizer),
        "frame": frame._asdict(),
        "turn": _turn(model, tokenizer) if config.decoder is not None and not labels else None,
        "task": "fill" if task == "write" and config.decoder is None else task,
        "start": start,
        "wrap": wrap,
        "stops": list(model.stop_ids),
        "forced": model.forced,
        "limit": config.limit,
        "length": min(config.context, config.limit or config.context),
        "usual": {key: value for key, value in model.defaults.items() if key in USED},
        "parameters": sum(parameter.numel() for parameter in model.transformer.parameters()),
    }


def _turn(model: Folder, tokenizer: Tokenizer) -> dict[str, Any] | None:
    """Return the ids before and after the message of a conversation of one; None where the model has no template.

    ModelError: an encoder-decoder was tuned by a template that does not keep a message as it is.
    """
    tuned, both = asked_by_template(model.record), model.config.family == "encoder_decoder"
    if not tuned and (both or not tokenizer.chat_template):
        return None
    prefix = model.record.get("prefix", "")

    def asked(text: str) -> list[int]:
        return ids(render([Message("user", text).behind(prefix)], tokenizer, generate=True))

    try:
        found, plain = asked("x"), tokenizer.encode(prefix + "x")
        for at in range(len(found) - len(plain) + 1):
            before, after = found[:at], found[at + len(plain) :]
            if all(asked(text) == [*before, *tokenizer.encode(prefix + text), *after] for text in ("x", "Two words.")):
                return {"before": before, "after": after, "prefix": prefix, "tuned": tuned}
    except DataError:
        pass
    if tuned and both:
        raise ModelError("the chat template changes what stands around a message; a page cannot ask this model")
    return None
