"""Another kernel for a while: each sublayer gets the one of its name, and its own comes back, after a failure too."""

import pytest

import tiny
from trivium.model.attention.attention import Attention
from trivium.model.attention.kernel import Eager, Kernel
from trivium.model.attention.using import using


def test_each_sublayer_has_its_kernel_and_its_own_comes_back() -> None:
    model = tiny.model("t5")
    parts = {name: part for name, part in model.named_modules() if isinstance(part, Attention)}
    own = {name: part.kernel for name, part in parts.items()}
    made: dict[str, Kernel] = {}

    def make(name: str) -> Kernel:
        return made.setdefault(name, Eager())

    with pytest.raises(RuntimeError, match="stop"), using(model, make):
        assert all(part.kernel is made[name] for name, part in parts.items())
        raise RuntimeError("stop")
    assert {*made} == {*parts} and all(part.kernel is own[name] for name, part in parts.items())
