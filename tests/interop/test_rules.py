"""The rule tables: both ways, total, and exact about what is wrong."""

import pytest
import torch

from trivium.base.errors import ModelError
from trivium.interop.rules import Copy, Drop, Given, Rule, layers, to_ours, to_theirs

TABLE = [
    Rule("table", "wte"),
    *layers(2, "b", "h", {"q k": "qk"}, transpose=True),
    Copy("lm_head", "wte"),
    Drop(r"h\.\d+\.mask"),
]


def state() -> dict[str, torch.Tensor]:
    ours = {"table": torch.randn(5, 3)}
    for i in range(2):
        ours |= {f"b.{i}.q.weight": torch.randn(4, 3), f"b.{i}.k.weight": torch.randn(2, 3)}
        ours |= {f"b.{i}.q.bias": torch.randn(4), f"b.{i}.k.bias": torch.randn(2)}
    return ours


def shapes(ours: dict[str, torch.Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in ours.items()}


def test_both_ways_give_back_every_number() -> None:
    ours = state()
    theirs = to_theirs(ours, TABLE)
    assert set(theirs) == {"wte", "h.0.qk.weight", "h.0.qk.bias", "h.1.qk.weight", "h.1.qk.bias"}
    assert theirs["h.1.qk.weight"].shape == (3, 6)
    assert torch.equal(theirs["h.1.qk.weight"][:, 4:].T, ours["b.1.k.weight"])
    again = to_ours(theirs, TABLE, shapes(ours))
    assert set(again) == set(ours)
    assert all(torch.equal(again[name], ours[name]) for name in ours)
    assert len({tensor.untyped_storage().data_ptr() for tensor in again.values()}) == len(again), "memory is shared"


def test_what_may_stand_beside_the_weights() -> None:
    ours = state()
    theirs = to_theirs(ours, TABLE)
    theirs |= {"lm_head": theirs["wte"].clone(), "h.0.mask": torch.ones(2), "h.11.mask": torch.ones(2)}
    assert set(to_ours(theirs, TABLE, shapes(ours))) == set(ours)
    with pytest.raises(ModelError, match="lm_head: expected the numbers of wte"):
        to_ours({**theirs, "lm_head": theirs["wte"] + 1e-3}, TABLE, shapes(ours))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("h.1.qk.bias"), "missing weights: h.1.qk.bias"),
        (lambda t: t.update({"extra.weight": torch.ones(1)}), "unexpected weights: extra.weight"),
        (lambda t: t.update({"xh.0.mask": torch.ones(1)}), "unexpected weights: xh.0.mask"),
        (lambda t: t.update({"wte": torch.ones(5, 4)}), r"wte: expected the shape \[5, 3\] .* found \[5, 4\]"),
        (lambda t: t.update({"h.0.qk.weight": torch.ones(6, 3)}), r"h.0.qk.weight: .*\[3, 6\].* found \[6, 3\]"),
    ],
)
def test_what_is_wrong_is_named(change, message) -> None:
    ours = state()
    theirs = to_theirs(ours, TABLE)
    change(theirs)
    with pytest.raises(ModelError, match=message):
        to_ours(theirs, TABLE, shapes(ours))


def test_a_table_that_is_computed_is_written_and_must_be_near() -> None:
    ours, table = state(), [*TABLE, Given("sines", (2, 3), lambda: torch.arange(6.0).view(2, 3))]
    theirs = to_theirs(ours, table)
    assert torch.equal(theirs["sines"], torch.arange(6.0).view(2, 3)) and set(
        to_ours(theirs, table, shapes(ours))
    ) == set(ours)
    theirs["sines"] = theirs["sines"] + 0.1
    with pytest.raises(ModelError, match="sines: expected the numbers that config"):
        to_ours(theirs, table, shapes(ours))
    with pytest.raises(ModelError, match=r"sines: expected the shape \[2, 3\] of config.json, found \[2, 4\]"):
        to_ours({**theirs, "sines": torch.zeros(2, 4)}, table, shapes(ours))
    del theirs["sines"]
    assert set(to_ours(theirs, table, shapes(ours))) == set(ours), "a file may leave it out"


def test_a_table_that_is_not_total_is_an_error() -> None:
    ours = state()
    with pytest.raises(ModelError, match="no rule takes weights: head"):
        to_theirs({**ours, "head": torch.ones(1)}, TABLE)
    with pytest.raises(ModelError, match=r"missing weights: b\.1\.q\.bias"):
        to_theirs({name: t for name, t in ours.items() if name != "b.1.q.bias"}, TABLE)
    with pytest.raises(ModelError, match="no rule gives weights: head"):
        to_ours(to_theirs(ours, TABLE), TABLE, {**shapes(ours), "head": torch.Size([1])})
