"""What a grid consists of, and that every cell of it has the same budget, counted on the built models."""

from pathlib import Path

import pytest

from trivium.base.errors import ConfigError
from trivium.model.transformer import Transformer
from trivium.study.grid import (
    NEAR,
    base_steps,
    budget,
    budgeted,
    count,
    lay_out,
    matched,
    read_axis,
    step_flops,
    step_tokens,
)

RECIPE = """
batch_tokens = 256
budget_steps = 40
[data]
path = "nowhere"
length = 32
[model]
preset = "llama"
vocab_size = 384
hidden_size = 64
context = 64
tie = true
[model.decoder]
layers = 2
heads = 4
kv_heads = 4
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    (tmp_path / "r.toml").write_text(RECIPE)
    return tmp_path / "r.toml"


def seconds(cell) -> float:
    """A cell's pretended time: by its layers."""
    return 0.5 * cell.recipe.model.decoder.layers


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a.b=rms,layer", [("rms", "rms"), ("layer", "layer")]),
        ("a=1, 2 ,8", [("1", "1"), ("2", "2"), ("8", "8")]),
        (
            "p=causal,near:{kind = 'window', size = 4},[causal, 'x,y']",
            [("causal", "causal"), ("near", "{kind = 'window', size = 4}"), ("[causal, 'x,y']", "[causal, 'x,y']")],
        ),
        ("p=MHA 4:4,MQA:1", [("MHA 4", "4"), ("MQA", "1")]),
    ],
)
def test_an_axis_is_read(text: str, values: list) -> None:
    assert read_axis(text).values == values


@pytest.mark.parametrize("text", ["a", "a=", "a=1", "=1,2", "a=1,,2", "a=x:1,x:2"])
def test_a_wrong_axis_is_one_clear_line(text: str) -> None:
    with pytest.raises(ConfigError, match="--axis"):
        read_axis(text)


def test_one_axis_at_a_time_adds_up_and_shares_what_is_equal(recipe: Path) -> None:
    axes = [read_axis("model.decoder.norm=rms,layer"), read_axis("model.decoder.kv_heads=4,2,1")]
    base, cells, comparisons = lay_out(recipe, [], axes)
    assert [cell.name for cell in cells] == ["base", "norm-layer", "kv_heads-2", "kv_heads-1"]
    assert cells[0].recipe == base
    assert comparisons[0].cells == [("rms", "base"), ("layer", "norm-layer")]
    assert [label for label, _ in comparisons[1].cells] == ["4", "2", "1"]
    assert cells[2].recipe.model.decoder.norm == base.model.decoder.norm


def test_the_recipe_itself_is_run_only_where_an_axis_asks_for_it(recipe: Path) -> None:
    _, cells, _ = lay_out(recipe, [], [read_axis("model.decoder.layers=3,4")])
    assert [cell.name for cell in cells] == ["layers-3", "layers-4"]


def test_a_cross_has_every_combination_and_compares_within_each(recipe: Path) -> None:
    axes = [read_axis("model.decoder.residual=pre,post"), read_axis("model.decoder.layers=2,3,4")]
    _, cells, comparisons = lay_out(recipe, [], axes, cross=True)
    assert len(cells) == 6
    assert [(one.axis, one.beside, len(one.cells)) for one in comparisons] == [
        ("residual", "layers 2", 2),
        ("residual", "layers 3", 2),
        ("residual", "layers 4", 2),
        ("layers", "residual pre", 3),
        ("layers", "residual post", 3),
    ]
    by_name = {cell.name: cell.recipe.model.decoder for cell in cells}
    for comparison in comparisons[:3]:
        (_, pre), (_, post) = comparison.cells
        assert by_name[pre].layers == by_name[post].layers and by_name[post].residual.kind == "post"


def test_wrong_keys_and_values_are_the_recipe_s_errors(recipe: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'norm'"):
        lay_out(recipe, [], [read_axis("model.decoder.nrom=rms,layer")])
    with pytest.raises(ConfigError, match="given twice"):
        lay_out(recipe, [], [read_axis("seed=0,1"), read_axis("seed=0,1")])


@pytest.mark.parametrize(
    "axis",
    [
        "model.decoder.ffn=swiglu,relu,gelu,relu2,reglu",
        "model.decoder.kv_heads=4,2,1",
        "model.decoder.position=rope,learned,none",
        "model.decoder.ffn.size=192,122",
    ],
)
def test_parameters_agree_within_one_percent(recipe: Path, axis: str) -> None:
    axes = [read_axis(axis)]
    overrides = ["model.decoder.layers=12"] if "size" in axis else []
    base, cells, _ = lay_out(recipe, overrides, axes)
    cells = matched(base, cells, "params", axes, 40, seconds)
    sizes = [sum(p.numel() for p in Transformer(cell.recipe.model).parameters()) for cell in cells]
    assert max(abs(size - sizes[0]) for size in sizes) <= NEAR * sizes[0]
    assert {cell.recipe.budget_steps for cell in cells} == {40}
    if "size" in axis:
        assert cells[1].recipe.model.decoder.layers == 16 and "layers 12 -> 16" in cells[1].note
    for cell, size in zip(cells, sizes, strict=True):
        assert count(cell.recipe) == size


def test_what_the_axis_sets_is_not_turned_to_match(recipe: Path) -> None:
    """Widths of a feed-forward layer: layers give way, and where they cannot, it is said."""
    axes = [read_axis("model.decoder.ffn.size=64,8")]
    base, cells, _ = lay_out(recipe, [], axes)
    with pytest.raises(
        ConfigError, match=r"--match params: size-64: expected [\d,]+ parameters within 1%; the nearest by layers"
    ):
        matched(base, cells, "params", axes, 40, seconds)


def test_flops_are_equal_in_all(recipe: Path) -> None:
    axes = [read_axis("model.decoder.layers=2,4,8")]
    base, cells, _ = lay_out(recipe, [], axes)
    cells = matched(base, cells, "flops", axes, 400, seconds)
    spent = [step_flops(cell.recipe) * cell.recipe.budget_steps for cell in cells]
    assert cells[0].recipe.budget_steps == 400 and cells[2].recipe.budget_steps < 250
    assert max(spent) / min(spent) < 1.01


def test_time_is_equal_by_what_a_step_takes(recipe: Path) -> None:
    axes = [read_axis("model.decoder.layers=2,4")]
    base, cells, _ = lay_out(recipe, [], axes)
    cells = matched(base, cells, "time", axes, 40, seconds)
    assert [cell.recipe.budget_steps for cell in cells] == [40, 20]
    assert base_steps(base, 2.0, seconds) == 120


def test_a_budget_is_named(recipe: Path) -> None:
    base, _, _ = lay_out(recipe, [], [read_axis("seed=0,1")])
    assert "40 steps, 10,240 tokens" in budget(base, "params", 40, seconds)
    assert budget(base, "time", 40, seconds) == "40 s of training"
    assert "FLOPs" in budget(base, "flops", 40, seconds)
    assert step_tokens(base) == 256
    run = budgeted(base, 1000)
    assert run.budget_steps == 1000 and run.eval_every_steps == 200 and run.log_every_steps == 10


def test_epochs_are_no_equal_budget(recipe: Path) -> None:
    base, cells, _ = lay_out(recipe, [], [read_axis("seed=0,1")])
    with pytest.raises(ConfigError, match="budget_epochs"):
        base_steps(base.replace(budget_steps=None, budget_epochs=1.0), None, seconds)
    with pytest.raises(ConfigError, match="--match luck"):
        matched(base, cells, "luck", [], 4, seconds)  # type: ignore[arg-type]
