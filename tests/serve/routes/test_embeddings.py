"""Vectors are those of `embed`, as numbers and as base64, and no text is cut."""

import base64
from collections.abc import Iterator

import numpy as np
import pytest

from serving import behind_a_socket, catalog, post, tiny
from trivium.serve.served import Catalog

PATH = "/v1/embeddings"


@pytest.fixture(scope="module")
def made() -> Iterator[Catalog]:
    with catalog({"bert": tiny("bert")}) as found:
        yield found


def test_vectors_are_those_of_embed(made: Catalog) -> None:
    model, texts = made.served["bert"].model, [f"text {'x' * n}" for n in range(70)]
    found = post(made, PATH, {"model": "bert", "input": texts}).json()
    assert [row["index"] for row in found["data"]] == list(range(70))
    vectors = np.array([row["embedding"] for row in found["data"]], np.float32)
    assert np.allclose(vectors, model.embed(texts).numpy(), atol=1e-5)
    assert found["usage"]["prompt_tokens"] == sum(len(model.encode(text)) for text in texts)


def test_forms_of_input_and_output(made: Catalog) -> None:
    ids = made.served["bert"].model.encode("text")
    forms = ["text", ["text"], ids, [ids]]
    plain = [post(made, PATH, {"model": "bert", "input": form}).json()["data"][0]["embedding"] for form in forms]
    coded = post(made, PATH, {"model": "bert", "input": "text", "encoding_format": "base64", "dimensions": 32}).json()
    assert all(np.allclose(one, plain[0], atol=1e-6) for one in plain)
    read = np.frombuffer(base64.b64decode(coded["data"][0]["embedding"]), "<f4")
    assert np.array_equal(read, np.array(plain[0], np.float32))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"input": "x" * 200}, "input 0 has 202 tokens; the model reads at most 128"),
        ({"input": ["a", "x" * 127]}, "input 1 has 129 tokens"),
        ({"dimensions": 16}, "dimensions: the vectors of bert have 32 numbers"),
        ({"encoding_format": "hex"}, "encoding_format: expected one of 'float' or 'base64', found 'hex'"),
        ({"input": []}, "input: expected 1 or more entries"),
        ({"input": [-1]}, "input.0"),
        ({"input": [400]}, "has the id 400"),
        ({"prompt": "a"}, "prompt: this field is not known here"),
    ],
)
def test_what_cannot_be_honoured_is_named(made: Catalog, changes: dict, message: str) -> None:
    answer = post(made, PATH, {"model": "bert", "input": "a", **changes})
    assert answer.status_code == 400 and message in answer.json()["error"]["message"], answer.text


def test_the_client_of_openai(made: Catalog) -> None:
    from openai import OpenAI

    with behind_a_socket(made) as address, OpenAI(base_url=f"{address}/v1", api_key="none") as client:
        found = client.embeddings.create(model="bert", input="text")  # as base64, which the client reads
    assert np.allclose(found.data[0].embedding, made.served["bert"].model.embed(["text"])[0].numpy(), atol=1e-6)
