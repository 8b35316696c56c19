"""A page fills gaps and scores labels as Python does: texts, pairs, texts that are too long, every way of pooling."""

from pathlib import Path
from typing import Any

import pytest
import torch

import shown
import small
import trivium
from trivium.infer.read import text_scores
from trivium.token.tokenizer import Tokenizer

LABELS = ("cold", "</script><b>hot", "中")
PAIRS: list[Any] = ["It is ice.", ["It is ice.", "Is it? 中文"], "long " * 40, ["a" * 60, "b" * 30]]
SCORE = """texts.map((text) => {
  const found = reader.prompt(Array.isArray(text) ? text : [text, ""], "", false);
  reader.readSource(found.source, found.types);
  if (plan.decoder) reader.read(found.ids);
  return plan.task === "classify" ? reader.labels() : reader.states.map((state) => [...model.scores(state)]);
})"""
FILL = """texts.map((text) => {
  const found = reader.prompt([text, ""], "", false);
  reader.readSource(found.source, found.types);
  return found.source.flatMap((id, at) => (id === plan.tokenizer.mask.id ? [reader.said(at, id, 1).top] : []));
})"""


def made(preset: str, head: dict[str, Any] | None = None) -> trivium.Model:
    """A random model, with a head of a task."""
    torch.manual_seed(2)
    sizes = {"vocab_size": 384, "context": 64, "layers": 2, "hidden_size": 32, "heads": 2}
    built = small.noisy(trivium.build(preset, **sizes, **({"head": head} if head else {})))
    return trivium.Model(built.transformer, Tokenizer.bytes())


@pytest.mark.parametrize("preset", ["bert", pytest.param("eurobert", marks=pytest.mark.slow)])
def test_the_guesses_of_gaps_are_those_of_python(preset: str, tmp_path: Path) -> None:
    model = made(preset)
    file = shown.exported(model, tmp_path / "a.html")
    shown.rounded(model)
    texts = ["The [MASK] is [MASK].", "a<mask>b 中[MASK]"]
    for text, gaps in zip(texts, shown.node(file, FILL, texts=texts), strict=True):
        for found, wanted in zip(gaps, model.fill(text, top=10), strict=True):
            assert [model.tokenizer.decode([index]) for index, _ in found] == [name for name, _ in wanted]
            assert [p for _, p in found] == pytest.approx([p for _, p in wanted], rel=1e-4)


@pytest.mark.parametrize(
    ("preset", "more"),
    [
        ("bert", {"pool": "first", "dense": True, "activation": "tanh"}),
        pytest.param(*("bert", {"pool": "mean", "problem_type": "multi_label_classification"}), marks=pytest.mark.slow),
        pytest.param(
            *("modernbert", {"pool": "max", "dense": True, "activation": "gelu", "norm": "layer"}),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            *("modernbert", {"pool": "weightedmean", "labels": ["one"], "problem_type": "regression"}),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            *("eurobert", {"pool": "mean_sqrt_len", "labels": ["one"], "bias": False}), marks=pytest.mark.slow
        ),
        pytest.param(*("llama", {"pool": "last"}), marks=pytest.mark.slow),
        pytest.param(*("bart", {"pool": "last", "eos": 2, "wrap": True}), marks=pytest.mark.slow),
        pytest.param(*("t5", {"pool": "last", "eos": 2}), marks=pytest.mark.slow),
    ],
)
def test_the_labels_of_a_text_are_those_of_python(preset: str, more: dict[str, Any], tmp_path: Path) -> None:
    model = made(preset, {"kind": "classify", "labels": list(LABELS), **more})
    file = shown.exported(model, tmp_path / "a.html")
    wanted = shown.rounded(model).classify(PAIRS)
    for found, row in zip(shown.node(file, SCORE, texts=PAIRS), wanted, strict=True):
        assert found == pytest.approx([*row.values()], rel=1e-4, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["bert", "gpt2", "t5"])
def test_the_scores_of_each_token_are_those_of_python(preset: str, tmp_path: Path) -> None:
    model = made(preset, {"kind": "tag", "labels": list(LABELS)})
    file = shown.exported(model, tmp_path / "a.html")
    shown.rounded(model)
    wanted = text_scores(model.transformer, model.layout(), PAIRS[:1])
    found = torch.tensor(shown.node(file, SCORE, texts=PAIRS[:1])[0])
    assert torch.allclose(found, wanted[0], atol=1e-5)
