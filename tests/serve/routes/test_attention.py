"""The page's attention is that of the model, cross-attention first, and of whole texts only."""

from collections.abc import Iterator
from typing import Any

import pytest

import serving
from trivium.api import Model
from trivium.lab.attention import look
from trivium.lab.piece import visible
from trivium.serve.served import Catalog

PATH = "/v1/trivium/attention"


@pytest.fixture(scope="module")
def models() -> dict[str, Model]:
    return {name: serving.tiny(name) for name in ("t5", "bert", "llama")}


@pytest.fixture(scope="module")
def catalog(models: dict[str, Model]) -> Iterator[Catalog]:
    with serving.catalog(models) as made:
        yield made


def test_a_source_and_its_target_come_with_cross_attention_first(catalog: Catalog, models: dict[str, Model]) -> None:
    model = models["t5"]
    layers = serving.post(catalog, PATH, {"model": "t5", "text": "Hi!", "target": "Hoi"}).json()["layers"]
    assert [one["name"].endswith("to the encoder") for one in layers] == [True] * 2 + [False] * 4
    read = [visible(model.tokenizer, index) for index in model.encode("Hi!")]
    written = [visible(model.tokenizer, index) for index in (model.layout().start, *model.tokenizer.encode("Hoi"))]
    assert layers[0]["keys"] == read and layers[0]["queries"] == written
    known = {one.name: one.weight for one in look(model, "Hi!", "Hoi")}
    for one in layers:
        assert len(one["weights"]) == 2
        for head, expected in zip(one["weights"], known[one["name"]].tolist(), strict=True):
            for row, values in zip(head, expected, strict=True):
                assert row == pytest.approx(values, abs=1e-4) and sum(row) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("name", ["t5", "bert", "llama"])
def test_every_family_shows_its_attention(catalog: Catalog, name: str) -> None:
    layers = serving.post(catalog, PATH, {"model": name, "text": "Hi!"}).json()["layers"]
    assert len(layers) == (6 if name == "t5" else 2)


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"model": "llama", "text": "a", "target": "b"}, "target"),
        ({"model": "llama", "text": "a" * 80}, "at most 64 tokens"),
        ({"model": "t5", "text": "a", "target": "b" * 64}, "these are 65"),
        ({"model": "t5", "text": ""}, "text"),
        ({"model": "t5", "text": "a", "layer": 1}, "layer"),
    ],
)
def test_what_cannot_be_shown_is_refused(catalog: Catalog, body: dict[str, Any], word: str) -> None:
    found = serving.post(catalog, PATH, body)
    assert found.status_code == 400 and word in found.json()["error"]["message"], found.text
