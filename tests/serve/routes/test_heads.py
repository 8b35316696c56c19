"""Models with heads say over HTTP what `trivium predict` and `trivium fill` say of the same texts."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from serving import catalog, post, tiny
from trivium.api import Model
from trivium.serve.served import Catalog
from trivium.task.task import task_of

LABELS = ("good", "bad", "so-so")


def headed(kind: str, *labels: str, **choices: Any) -> Model:
    torch.manual_seed(1)
    model = tiny("bert")
    model.equip(kind, labels, **choices)
    torch.nn.init.normal_(model.transformer.head.out.weight)
    return model


@pytest.fixture(scope="module")
def made() -> Iterator[Catalog]:
    models = {
        "classify": headed("classify", *LABELS),
        "tag": headed("tag", "O", "B-who", "I-who"),
        "extract": headed("span"),
        "rerank": headed("classify", "LABEL_0", problem_type=None),
        "bert": tiny("bert"),
        "llama": tiny(),
    }
    with catalog(models) as found:
        yield found


def said(made: Catalog, path: str, **body: Any) -> dict[str, Any]:
    answer = post(made, f"/v1/{path}", {"model": path, **body})
    assert answer.status_code == 200, answer.text
    return answer.json()


def predicted(made: Catalog, name: str, folder: Path, *rows: dict[str, Any]) -> list[dict[str, Any]]:
    file = folder / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return list(task_of(name).predict(made.served[name].model, [file]))


def test_labels_are_those_of_predict(made: Catalog, tmp_path: Path) -> None:
    rows = [{"text": "fine"}, {"text": "not so", "text_pair": "fine"}, {"text": "é 中"}]
    want = predicted(made, "classify", tmp_path, *rows)
    found = said(made, "classify", input=["fine", ["not so", "fine"], "é 中"])
    for one, right in zip(found["data"], want, strict=True):
        assert one["label"] == right["label"] and list(one["scores"]) == list(right["scores"])
        assert list(one["scores"].values()) == pytest.approx(list(right["scores"].values()), abs=2e-6)
        assert sum(one["scores"].values()) == pytest.approx(1, abs=1e-5)
    frame = made.served["classify"].model.layout().frame
    letters = sum(len(text.encode()) for text in ("fine", "not so", "fine", "é 中"))
    assert found["usage"]["prompt_tokens"] == letters + 2 * frame.size(1) + frame.size(2)
    assert said(made, "classify", input="fine")["data"] == found["data"][:1]


def test_tags_are_those_of_predict(made: Catalog, tmp_path: Path) -> None:
    rows = [{"tokens": ["see", "Ann", "now"]}, {"tokens": ["New York", "is", "big"]}]
    want = predicted(made, "tag", tmp_path, *rows)
    found = said(made, "tag", input=["see Ann  now", ["New York", "is", "big"]])["data"]
    assert [(one["tokens"], one["tags"]) for one in found] == [(one["tokens"], one["tags"]) for one in want]


def test_an_answer_in_a_long_context_is_that_of_predict(made: Catalog, tmp_path: Path) -> None:
    asked = {"question": "who ran?", "context": "Ann ran to the house. " * 20}
    want = predicted(made, "extract", tmp_path, asked)[0]
    (found,) = said(made, "extract", **asked)["data"]
    assert found["answer"] == want["answer"] and found["answer"] in asked["context"]
    assert found["score"] == pytest.approx(want["score"], abs=2e-6)


def test_gaps_are_those_of_fill(made: Catalog) -> None:
    text = "a [MASK] and [MASK]"
    want = made.served["bert"].model.fill(text, 3)
    found = said(made, "fill", model="bert", input=[text, "[MASK]"], top_k=3)["data"]
    assert [[(one["token"], one["probability"]) for one in gap] for gap in found[0]["gaps"]] == [
        [(token, pytest.approx(p, abs=1e-6)) for token, p in gap] for gap in want
    ]
    assert len(found[1]["gaps"]) == 1


def test_documents_are_in_the_order_of_the_head(made: Catalog) -> None:
    texts = ["red", "a blue house", "é", "red"]
    scores = made.served["rerank"].model.score([("what is red?", text) for text in texts])
    found = said(made, "rerank", query="what is red?", documents=[*texts[:3], {"text": "red"}])["results"]
    assert [one["index"] for one in found] == sorted(range(4), key=lambda at: -scores[at])
    for one in found:
        assert one["relevance_score"] == pytest.approx(scores[one["index"]], abs=1e-6)
        assert one["document"] == {"text": texts[one["index"]]}
    short = said(made, "rerank", query="what is red?", documents=texts, top_n=2, return_documents=False)["results"]
    assert short == [{k: v for k, v in one.items() if k != "document"} for one in found[:2]]


def test_documents_are_in_the_order_of_the_vectors_where_there_is_no_such_head(made: Catalog) -> None:
    model = made.served["bert"].model
    model.record["vectors"] = {"prompts": {"query": "ask: ", "passage": "read: "}, "normalise": False}
    query, texts = "red?", ["red", "a blue house", "green"]
    vectors = model.embed([f"ask: {query}", *(f"read: {text}" for text in texts)])
    want = F.cosine_similarity(vectors[:1], vectors[1:]).tolist()
    found = said(made, "rerank", model="bert", query=query, documents=texts)["results"]
    assert [one["index"] for one in found] == sorted(range(3), key=lambda at: -want[at])
    assert [one["relevance_score"] for one in found] == pytest.approx(sorted(want, reverse=True), abs=1e-6)


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("classify", {"input": "x" * 127}, "text 0 has 129 tokens; the model reads at most 128"),
        ("classify", {"input": []}, "1 or more entries"),
        ("classify", {"input": [["a", "b", "c"]]}, "2 or fewer entries"),
        ("classify", {"input": "a", "model": "tag"}, "cannot do this (classify); it can"),
        ("classify", {"input": "a", "model": "llama"}, "cannot do this (classify); it can"),
        ("classify", {"input": "a", "stream": True}, "stream"),
        ("tag", {"input": ["a", "  "]}, "at least one word"),
        ("fill", {"input": "no gap", "model": "bert"}, "no mask in the text"),
        ("fill", {"input": "[MASK]", "model": "classify"}, "cannot do this (fill)"),
        ("extract", {"question": "q" * 90, "context": "a"}, "question: it has 90 tokens"),
        ("extract", {"question": "", "context": "a"}, "question"),
        ("rerank", {"query": "x" * 80, "documents": ["y" * 60]}, "text 0 has"),
        ("rerank", {"query": "a", "documents": ["b"], "max_chunks_per_doc": 3}, "max_chunks_per_doc"),
        ("rerank", {"query": "a", "documents": []}, "documents"),
    ],
)
def test_what_cannot_be_answered_is_refused(made: Catalog, path: str, body: dict[str, Any], message: str) -> None:
    answer = post(made, f"/v1/{path}", {"model": path, **body})
    assert answer.status_code == 400 and message in answer.json()["error"]["message"], answer.text
