"""A grammar: which ids may come next, so that a text is JSON of a schema, or a call of a tool.

The mask of each step is `llguidance`'s (derivatives of lexemes and an Earley parser over the bytes of all ids), an
optional package. Masks keep what may follow; the probabilities among those ids stay the model's.
"""

import json
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from trivium.base.errors import ConfigError
from trivium.base.plugin import extra
from trivium.token.tokenizer import Tokenizer

SPACES = {"whitespace_pattern": r"[ \n]{1,16}"}
"""A model that is unsure writes spaces for ever where they may have any number."""


class Grammar:
    """What one text may be. It follows the ids that are taken."""

    def __init__(self, source: str, tokenizer: Tokenizer, stops: Collection[int] = ()) -> None:
        """`source` is from `json_grammar` or `call_grammar`; the ids of `stops` may come where the text is whole.

        Raise ConfigError where the grammar cannot be used.
        """
        self.source, self.special = source, tokenizer.special
        self._matcher = _matcher(source, _ids(tokenizer, frozenset(stops)))
        self._matcher.compute_bitmask()
        if self._matcher.is_error():
            raise ConfigError("the schema cannot be used: no text is of it")

    def mask(self, scores: Float[Tensor, " V"]) -> None:
        """Set the scores of the ids that may not come next to -inf, in place."""
        bits = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
        allowed = np.unpackbits(bits, count=len(scores), bitorder="little").astype(bool)
        scores.masked_fill_(~torch.from_numpy(allowed).to(scores.device), -torch.inf)

    def take(self, index: int) -> None:
        """Go on behind a chosen id. A special id, which only a forced one can be, is no text."""
        if index not in self.special:
            self._matcher.consume_token(index)

    @property
    def done(self) -> bool:
        """Whether no id can follow: the text is whole, or the grammar has reached its limits."""
        return bool(self._matcher.is_stopped())

    def fits(self, text: str) -> bool:
        """Return whether a finished text is of this grammar, read anew byte by byte."""
        matcher = _matcher(self.source, extra("llguidance", "a grammar").LLTokenizer("byte"))
        return bool(matcher.consume_tokens(list(text.encode()))) and bool(matcher.is_accepting())


def json_grammar(schema: Mapping[str, Any]) -> str:
    """Return the grammar of JSON of a JSON Schema; DataError where `llguidance` is missing."""
    matcher = _library().LLMatcher
    try:
        return str(matcher.grammar_from_json_schema(json.dumps(schema), overrides=SPACES))
    except ValueError as wrong:
        raise ConfigError(f"the schema cannot be used: {wrong}") from None


def call_grammar(calls: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the grammar of one call of one of some tools, by the schema of the arguments of each."""
    schemas = [
        {
            "type": "object",
            "properties": {"name": {"const": name}, "arguments": dict(schema)},
            "required": ["name", "arguments"],
            "additionalProperties": False,
        }
        for name, schema in calls.items()
    ]
    rules = "".join(f"\nc{at}: %json {json.dumps({**one, 'x-guidance': SPACES})}" for at, one in enumerate(schemas))
    either = " | ".join(f"c{at}" for at in range(len(schemas)))
    lark = f'start: "<tool_call>\\n" ({either}) "\\n</tool_call>"{rules}'
    return str(_library().LLMatcher.grammar_from_lark(lark))


def _library() -> Any:
    return extra("llguidance", "writing by a schema")


def _matcher(source: str, ids: Any) -> Any:
    matcher = _library().LLMatcher(ids, source, log_level=0)
    if matcher.is_error():
        raise ConfigError(f"the schema cannot be used: {' '.join(matcher.get_error().split()):.300}")
    return matcher


@lru_cache(maxsize=8)
def _ids(tokenizer: Tokenizer, stops: frozenset[int]) -> Any:
    """Return what the library knows of a tokenizer: the bytes of its ids, and which of them end a text."""

    class Wrapped:
        eos_token_id = min(stops, default=tokenizer.vocabulary.eos or tokenizer.vocabulary.pad)
        bos_token_id = None
        tokens = [tokenizer.raw(index) for index in range(tokenizer.size)]  # noqa: RUF012
        special_token_ids = sorted(tokenizer.special | stops)

        def __call__(self, text: bytes) -> list[int]:
            return tokenizer.encode(text.decode("utf-8", "replace"))

    ends, library = sorted(stops) or [Wrapped.eos_token_id], _library()
    return library.LLTokenizer(library.TokenizerWrapper(Wrapped()), n_vocab=tokenizer.size, eos_token=ends)
