"""FlashAttention over documents end to end: what it can be asked for, how documents are laid out, and its numbers."""

import pytest
import torch

from places import alone, packed
from trivium import api
from trivium.base.errors import ConfigError
from trivium.model.attention import flash
from trivium.model.attention.flash import Flash, runs, sides
from trivium.model.attention.kernel import Case, Eager
from trivium.model.attention.pattern import Causal, Full, Where, Window
from trivium.model.attention.sparse import Global
from trivium.model.attention.view import View
from trivium.model.layer.position import ALiBi


def test_documents_are_laid_end_to_end() -> None:
    where = packed([[3, -2, 2], [], [4]], 8)
    there, edges, longest = runs(View(Full(), where, where), 3)
    assert torch.equal(there, where.document > 0)
    assert edges.tolist() == [0, 3, 5, 9] and edges.dtype == torch.int32 and longest == 4
    whole = alone(5, rows=2)
    assert runs(View(Full(), whole, whole, plain=True), 2)[1].tolist() == [0, 5, 10]


def test_patterns_it_knows() -> None:
    assert sides(Full()) == (-1, -1) and sides(Causal()) == (-1, 0)
    assert sides(Window(size=4)) == (3, 0) and sides(Window(size=4, both=True)) == (3, 3)
    assert sides(Global()) is None


def test_refusals() -> None:
    def why(view: View, dropout: float = 0.0) -> str:
        return Flash().refuse(Case(view, "cuda", torch.bfloat16, dropout=dropout)) or "nothing"

    where = alone(6)
    past = Where(where.position[:, -1:], where.document[:, -1:])
    assert why(View(Causal(), where, where, True)) == "nothing"
    assert "knows full, causal and window, not the pattern global" in why(View(Global(), where, where))
    assert "takes no bias" in why(View(Causal(), where, where, relative=ALiBi().relative(2, 8)))
    assert "not for a memory or a cache" in why(View(Causal(), past, where))
    assert "dropout" in why(View(Causal(), where, where), dropout=0.1)


def test_a_machine_without_cuda_refuses_a_fresh_model_and_not_a_loaded_one(tmp_path, monkeypatch) -> None:
    tiny = {"hidden_size": 16, "vocab_size": 32, "context": 8, "layers": 1, "heads": 2, "kernel": "flash"}
    monkeypatch.setattr(flash, "pick", lambda: torch.device("cuda"))
    api.build("llama", **tiny).save(tmp_path / "m")  # made where there is a GPU
    monkeypatch.setattr(flash, "pick", lambda: torch.device("cpu"))
    with pytest.raises(ConfigError, match=r"^model\.kernel: flash needs a CUDA device, and this machine has cpu alone"):
        api.build("llama", **tiny)
    loaded = api.load(tmp_path / "m")  # to be shown or exported
    assert loaded.config.kernel.kind == "flash"
    with pytest.raises(ConfigError, match="flash needs a CUDA device, and this is cpu"):
        loaded.logits([[1, 2]])


@pytest.mark.gpu
@pytest.mark.parametrize("pattern", [Full(), Causal(), Window(size=40), Window(size=40, both=True)])
def test_it_is_near_a_float64_reference(pattern) -> None:
    where = packed([[150, 90], [240]], 256).map(lambda x: x.cuda())
    exact = torch.randn(3, 2, 4, 256, 64, device="cuda", dtype=torch.float64)
    q, k, v = exact.bfloat16().requires_grad_()
    out = Flash().attend(q, k, v, View(pattern, where, where), 0.125)
    expected = Eager().attend(*exact, View(pattern, where, where), 0.125)
    assert (out.double() - expected).abs().max() < 0.03 and not out[0, :, 240:].any()
    out.square().sum().backward()
