"""The one parity tolerance: how far logits in float32 may be from those of the stock class."""

from torch import Tensor

PARITY = 1e-5


def close(found: Tensor, reference: Tensor) -> bool:
    """Whether two tensors agree within PARITY x max(1, standard deviation of the reference)."""
    assert found.shape == reference.shape, f"{tuple(found.shape)} against {tuple(reference.shape)}"
    return bool((found.double() - reference.double()).abs().max() <= PARITY * max(1.0, float(reference.double().std())))
