"""A model in evaluation for a while: no dropout, no gradients, and the mode of each module comes back."""

import pytest
import torch

import tiny
from trivium.model.mode import evaluating


@pytest.mark.parametrize("training", [True, False])
def test_each_mode_comes_back_even_after_an_error(training: bool) -> None:
    model = tiny.model(layers=1).train(training)
    model.head.train(not training)  # a part may be new, or frozen
    before = [module.training for module in model.modules()]
    with pytest.raises(KeyError), evaluating(model):
        assert not any(module.training for module in model.modules()) and not torch.is_grad_enabled()
        raise KeyError
    assert [module.training for module in model.modules()] == before and torch.is_grad_enabled()
