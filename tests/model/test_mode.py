"""A model in evaluation for a while: no dropout, no gradients, and its mode comes back."""

import pytest
import torch

import tiny
from trivium.model.mode import evaluating


@pytest.mark.parametrize("training", [True, False])
def test_the_mode_comes_back_even_after_an_error(training: bool) -> None:
    model = tiny.model(layers=1).train(training)
    with pytest.raises(KeyError), evaluating(model):
        assert not any(module.training for module in model.modules()) and not torch.is_grad_enabled()
        raise KeyError
    assert {module.training for module in model.modules()} == {training} and torch.is_grad_enabled()
