"""A grammar lets through what is of a schema and nothing else, in every way of choosing ids."""

import json

import pytest
import torch

import trivium
from trivium.base.errors import ConfigError
from trivium.infer.engine import InferenceEngine
from trivium.infer.grammar import Grammar, call_grammar, json_grammar
from trivium.infer.row import Row
from trivium.infer.sampling import Sampling
from trivium.token.tokenizer import Tokenizer

SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 8}, "age": {"type": "integer", "minimum": 0, "maximum": 99}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    pytest.importorskip("llguidance")
    return Tokenizer.bytes()


def allowed(grammar: Grammar, size: int) -> set[int]:
    scores = torch.zeros(size)
    grammar.mask(scores)
    return set(scores.isfinite().nonzero()[:, 0].tolist())


def test_the_ids_that_may_follow(tokenizer: Tokenizer) -> None:
    grammar = Grammar(json_grammar({"enum": ["ab", "ac"]}), tokenizer, [2, 8])
    for char in '"a':
        (only,) = tokenizer.encode(char)
        assert allowed(grammar, tokenizer.size) == {only}
        grammar.take(only)
    assert allowed(grammar, tokenizer.size) == {*tokenizer.encode("b"), *tokenizer.encode("c")}
    for index in tokenizer.encode('b"'):
        assert not grammar.done
        grammar.take(index)
    assert grammar.done and allowed(grammar, tokenizer.size) == {2, 8}


def test_an_engine_writes_what_the_schema_says_beside_rows_without_one(tokenizer: Tokenizer) -> None:
    torch.manual_seed(0)
    size = {"layers": 1, "hidden_size": 32, "heads": 2, "vocab_size": tokenizer.size, "context": 256}
    model = trivium.build("llama", **size)

    def row(seed: int, schema: bool) -> Row:
        sampling, draw = Sampling(temperature=1.5, seed=seed), torch.Generator().manual_seed(seed)
        made = Row(tokenizer.encode("hi"), None, sampling, draw, 200, [2], tokenizer.size)
        made.grammar = Grammar(json_grammar(SCHEMA), tokenizer, [2]) if schema else None
        return made

    def write(*rows: Row) -> list[str]:
        engine = InferenceEngine(model.transformer)
        for one in rows:
            engine.submit(one)
        while engine.busy and any(one.reason is None for one in rows):
            engine.step()
        return [tokenizer.decode(one.ids) for one in rows]

    rows = [row(seed, seed % 2 == 0) for seed in range(12)]
    texts = write(*rows)
    for one, text in zip(rows[::2], texts[::2], strict=True):
        found = json.loads(text)
        assert one.reason == "stop" and one.grammar is not None and one.grammar.fits(text)
        assert list(found) == ["name", "age"] and len(found["name"]) <= 8 and 0 <= found["age"] <= 99
    assert write(row(1, False)) == [texts[1]], "the grammar of a neighbour changes nothing"


def test_a_text_is_read_anew(tokenizer: Tokenizer) -> None:
    grammar = Grammar(json_grammar(SCHEMA), tokenizer)
    assert grammar.fits('{"name": "é", "age": 3}') and not grammar.fits('{"name": "x", "age": 300}')
    assert not grammar.fits('{"name": "x", "age": 3')


def test_a_call_is_of_one_of_the_tools(tokenizer: Tokenizer) -> None:
    number = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}
    grammar = Grammar(call_grammar({"f": number, "g": {"type": "object"}}), tokenizer)
    assert grammar.fits('<tool_call>\n{"name": "f", "arguments": {"x": 1}}\n</tool_call>')
    assert not grammar.fits('<tool_call>\n{"name": "f", "arguments": {"x": "1"}}\n</tool_call>')
    assert not grammar.fits('<tool_call>\n{"name": "h", "arguments": {}}\n</tool_call>')


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "nope"},
        {"type": "array", "uniqueItems": True},
        {"type": "string", "pattern": "(?=a)"},
        {"title": "\ud800"},
    ],
)
def test_what_cannot_be_honoured_is_refused(tokenizer: Tokenizer, schema: dict) -> None:
    with pytest.raises(ConfigError, match="the schema cannot be used"):
        Grammar(json_grammar(schema), tokenizer)
