"""Write a model as a folder of CTranslate2, by its own converter for stock folders.

CTranslate2 drops what it does not know without a word. What it would compute in another way is an error here, with the
field that is to blame; `trivium verify --ctranslate2` then compares what it computes.
"""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from trivium.base import files
from trivium.base.errors import ConfigError, ModelError
from trivium.base.plugin import extra
from trivium.base.types import Vocabulary
from trivium.interop import hub
from trivium.interop.families import stock
from trivium.model.config import ModelConfig
from trivium.model.layer.position import RoPE
from trivium.model.layer.scaling import Linear, NoScaling
from trivium.model.layer.score import LabelHead, SentenceEmbedding

KNOWN = ("llama", "mistral", "qwen3", "gpt2", "gemma2", "t5", "bart", "mbart", "bert", "roberta")
"""The model types whose results were compared with ours."""
TYPES = ("int8", "int16", "float16", "bfloat16")
"""How matrices may be stored; None keeps float32."""


def write(folder: str | Path, model: hub.Folder, quantize: str | None = None) -> Path:
    """Write a folder of CTranslate2, whole or not at all. What CTranslate2 computes in another way is a ModelError."""
    ct2 = extra("ctranslate2", "writing for CTranslate2")
    transformers = extra("transformers", "writing for CTranslate2")
    if quantize is not None and quantize not in TYPES:
        raise ConfigError(f"quantize: expected one of {', '.join(TYPES)}, found {quantize!r}")
    folder, tokenizer = Path(folder), model.tokenizer
    if tokenizer is None:
        raise ModelError("this model has no tokenizer (no tokenizer.json), and CTranslate2 needs one")
    check(model.config, tokenizer.vocabulary)
    with TemporaryDirectory() as place, files.publishing(folder) as new:
        transformers.logging.set_verbosity_error()  # it tells of the head, which an encoder has not there
        transformers.logging.disable_progress_bar()
        stated = hub.save(Path(place) / "model", model)
        ct2.converters.TransformersConverter(str(stated)).convert(str(new), quantization=quantize, force=True)
    return folder


def check(config: ModelConfig, vocabulary: Vocabulary) -> None:
    """Raise ModelError for a model that CTranslate2 does not compute as it is, with the field to blame."""
    family, reasons = stock(config, vocabulary)
    if family is None or family.model_type not in KNOWN:
        why = family.architecture if family else reasons[next(iter(reasons))]
        raise ModelError(f"CTranslate2 is written for {', '.join(KNOWN)}, and this model is none: {why}")
    if found := next((field for field, bad in _other(config, family.model_type, vocabulary).items() if bad), None):
        raise ModelError(f"{found}: CTranslate2 has it not for {family.architecture}")


def _other(config: ModelConfig, name: str, vocabulary: Vocabulary) -> Mapping[str, bool]:
    """Return each field that CTranslate2 would compute in another way, and whether the model has it."""
    stack = next(iter(config.stacks.values()))
    ropes = [position for one in config.stacks.values() for position in one.position if isinstance(position, RoPE)]
    scalings = [rope.scaling for rope in ropes]
    allowed = (NoScaling, Linear) if name == "llama" else (NoScaling,)
    stretched = next((scaling.kind for scaling in scalings if not isinstance(scaling, allowed)), "")
    patterns = [pattern for one in config.stacks.values() for pattern in one.pattern]
    return {
        f"head {config.head.kind}": isinstance(config.head, LabelHead | SentenceEmbedding),
        f"position.scaling {stretched}": bool(stretched),
        "pattern": any(pattern.shape(config.context) is None for pattern in patterns),
        "softcap": stack.softcap is not None or getattr(config.head, "softcap", None) is not None,
        "position.theta": name == "gemma2" and any(rope.theta != 10_000 for rope in ropes),
        "tie false": name == "t5" and not config.tie,
        "pad_token_id 0": name == "roberta" and vocabulary.pad == 0,
    }
