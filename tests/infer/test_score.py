"""What a head says of texts does not depend on their neighbours."""

import numpy as np
import pytest
import torch

import small
from trivium.base.types import Example
from trivium.infer.score import scores


@pytest.mark.parametrize(("kind", "shape"), [("classify", (3,)), ("tag", (5, 3)), ("span", (5, 2))])
def test_each_text_is_scored_as_alone(kind, shape):
    model = small.model("bert")
    model.equip(kind, ("a", "b", "c") if kind != "span" else ("start", "end"))
    texts = [Example(enc=np.arange(3, 3 + size)) for size in (5, 30, 2, 17)]
    together = scores(model.transformer, texts, rows=3)
    alone = [scores(model.transformer, [text])[0] for text in texts]
    assert together[0].shape == shape
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(together, alone, strict=True))


def test_the_model_goes_on_training_afterwards():
    model = small.model("llama")
    model.transformer.train()
    found = scores(model.transformer, [Example(dec=np.arange(3, 9))])
    assert model.transformer.training and found[0].shape == (6, 384)
