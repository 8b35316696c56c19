"""MBartForConditionalGeneration: BART with pre-norm, and languages told by a code at the front of a text."""

from collections.abc import Mapping
from typing import Any

from trivium.base.types import Vocabulary
from trivium.interop.families import bart
from trivium.interop.rules import Table
from trivium.model.config import ModelConfig

architecture, model_type, prefix = "MBartForConditionalGeneration", "mbart", "model."


def read(config: Mapping[str, Any]) -> ModelConfig:
    return bart.read(config, preset="mbart")


def write(config: ModelConfig, vocabulary: Vocabulary | None) -> dict[str, Any]:
    return bart.write_as(config, architecture, model_type, vocabulary)


def rules(config: ModelConfig) -> Table:
    return bart.rules(config)
