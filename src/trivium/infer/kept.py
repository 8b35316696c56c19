"""The engine that a model's conversations have in common: what one has read, the next one need not read again."""

from typing import Any

from trivium.infer.engine import InferenceEngine
from trivium.model.transformer import Transformer

CONTEXTS = 4
"""How many whole contexts the engine keeps: one text in progress, and those that were read before."""


class KeptEngine:
    """An engine that is made when it is asked for, and made anew where the weights have changed since."""

    def __init__(self) -> None:
        self._engine: InferenceEngine | None = None
        self._state: list[Any] = []

    def of(self, transformer: Transformer, exact: bool) -> InferenceEngine:
        """Return the engine of a model as it is now."""
        state = [(part.data_ptr(), 0 if part.is_inference() else part._version) for part in transformer.parameters()]
        engine = self._engine
        if engine is None or engine.transformer is not transformer or engine.exact != exact or state != self._state:
            engine, config = InferenceEngine(transformer, exact=exact), transformer.config
            whole = min(config.context, config.limit or config.context)
            engine.memory.limit = CONTEXTS * whole * engine.memory.position_bytes
            self._engine, self._state = engine, state
        return engine
