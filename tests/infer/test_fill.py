import pytest
import torch

import trivium
from trivium.base.errors import ConfigError, ModelError
from trivium.infer.fill import fill

MASK = 4


def test_guesses_are_the_most_likely_at_each_gap() -> None:
    model = trivium.build("bert", depth=1, vocab_size=40)
    ids = [1, 9, MASK, 11, MASK, 2]
    guesses = fill(model.transformer, ids, MASK, top=3)
    expected = model.logits([ids])[0, [2, 4]].softmax(-1).topk(3)
    assert [[g.id for g in gap] for gap in guesses] == expected.indices.tolist()
    assert torch.allclose(torch.tensor([[g.probability for g in gap] for gap in guesses]), expected.values, atol=1e-6)
    assert all(g.id < 10 for gap in fill(model.transformer, ids, MASK, top=10, vocabulary=10) for g in gap)


def test_what_cannot_be_filled_is_told() -> None:
    with pytest.raises(ConfigError, match="no mask"):
        fill(trivium.build("bert", depth=1, vocab_size=40).transformer, [1, 2, 3], MASK)
    with pytest.raises(ModelError, match="needs an encoder"):
        fill(trivium.build("llama", depth=1, vocab_size=40).transformer, [MASK], MASK)
    with pytest.raises(ModelError, match="needs a head"):
        fill(trivium.build("bert", depth=1, vocab_size=40, head="none").transformer, [MASK], MASK)
