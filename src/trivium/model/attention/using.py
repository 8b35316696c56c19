"""Another kernel for a while: to record weights, or to compute exactly."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import nn

from trivium.model.attention.attention import Attention
from trivium.model.attention.kernel import Kernel


@contextmanager
def using(model: nn.Module, make: Callable[[str], Kernel]) -> Iterator[None]:
    """Let each attention sublayer use the kernel `make(name of its module)`; afterwards its own kernel comes back."""
    found = [(name, part) for name, part in model.named_modules() if isinstance(part, Attention)]
    own = [part.kernel for _, part in found]
    try:
        for name, part in found:
            part.kernel = make(name)
        yield
    finally:
        for (_, part), kernel in zip(found, own, strict=True):
            part.kernel = kernel
