"""Each cell at its own best value: how values are read, when a grid grows, and what is said of edges and lost runs."""

import math
from pathlib import Path

import pytest

from trivium.base.errors import ConfigError
from trivium.lab.picture import blank
from trivium.study.grid import Cell, budgeted, lay_out, read_axis, step_flops
from trivium.study.tune import Optimum, Sweep, Tuned, at, grown, read_sweep, tries
from trivium.train.recipe import read_recipe

CELLS = [("rms", "base"), ("layer", "norm-layer"), ("none", "norm-none")]


@pytest.fixture
def cell(here: Path) -> Cell:
    return Cell("base", budgeted(read_recipe(here / "r.toml"), 6))


def test_values_are_read_in_ascending_order() -> None:
    assert read_sweep("optim.lr=4e-3, 1e-3,2e-3") == Sweep("optim.lr", (1e-3, 2e-3, 4e-3))
    assert read_sweep("schedule.warmup_steps=20,40").name == "warmup_steps"


@pytest.mark.parametrize(
    "text", ["optim.lr", "optim.lr=", "optim.lr=1", "=1,2", "a=1,x", "a=1,1.0", "a=1,nan", "a=1,inf"]
)
def test_wrong_values_are_one_clear_line(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--tune .*expected key=v1,v2 with two different numbers"):
        read_sweep(text)


def test_a_cell_at_a_value_is_its_recipe_with_one_other_number(cell: Cell) -> None:
    found = at(cell, Sweep("optim.lr", (0.01, 0.1)), 0.01, "params")
    assert found.place == "lr-0.01" and found.recipe.optim.lr == 0.01
    assert found.recipe.replace(optim=cell.recipe.optim) == cell.recipe
    warm = at(cell, Sweep("schedule.warmup_steps", (2, 4)), 4.0, "params")
    assert warm.recipe.schedule.warmup_steps == 4 and warm.place == "warmup_steps-4"


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("optim.lrr", 1.0, "--tune optim.lrr=1: base: optim.lrr: unknown key; did you mean 'lr'"),
        ("optim.lr", -1.0, "--tune optim.lr=-1: base: optim.lr: expected a number, above 0"),
        ("schedule.warmup_steps", 2.5, "schedule.warmup_steps: expected a whole number"),
        ("model.decoder.norm", 1.0, "model.decoder.norm: expected a kind"),
        ("init", 1.0, "init: expected a text, found 1"),
        ("seed", 1.0, "--tune seed=1: seeds and the budget are equal in all cells"),
        ("budget_tokens", 4096.0, "seeds and the budget are equal in all cells"),
        ("model.hidden_size", 128.0, "changes what a step costs; take --match flops"),
        ("batch_tokens", 256.0, "changes what a step costs; take --match flops"),
    ],
)
def test_a_field_or_value_that_cannot_be_tuned_is_one_clear_line(cell: Cell, key: str, value: float, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        at(cell, Sweep(key, (value, 2 * value)), value, "params")
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_with_equal_flops_a_dearer_step_is_taken_less_often(cell: Cell) -> None:
    found = at(cell, Sweep("batch_tokens", (128, 384)), 384, "flops")
    assert found.recipe.budget_steps == 2
    assert step_flops(found.recipe) * 2 == pytest.approx(step_flops(cell.recipe) * 6)


@pytest.mark.parametrize("axis", ["optim.lr=1,2", "optim=adamw,M:{kind = 'muon', lr = 0.1}"])
def test_the_question_does_not_set_what_is_tuned(here: Path, axis: str) -> None:
    with pytest.raises(ConfigError, match=r"--tune optim.lr: the question --axis optim(.lr)? sets it \((1|M)\)"):
        tries([], [read_axis(axis)], Sweep("optim.lr", (1e-3, 2e-3)), "params")


def test_a_question_of_kinds_is_tuned_in_each(here: Path) -> None:
    axes = [read_axis("optim=adamw,muon")]
    _, cells, _ = lay_out(here / "r.toml", [], axes)
    found = tries(cells, axes, Sweep("optim.lr", (1e-3, 2e-3)), "params")
    assert [(one.name, value) for one, value in found] == [(one.name, lr) for lr in (1e-3, 2e-3) for one in cells]
    assert {one.recipe.optim.kind for one, _ in found} == {"adamw", "muon"}


@pytest.mark.parametrize(
    ("losses", "best", "edge", "wider"),
    [
        ({1.0: 3.0, 2.0: 2.0, 4.0: 2.5}, 2.0, False, None),
        ({1.0: 3.0, 2.0: 2.5, 4.0: 2.0}, 4.0, True, 8.0),
        ({1.0: 2.0, 2.0: 2.5, 8.0: 3.0}, 1.0, True, 0.5),
        ({1.0: 2.0, 3.0: 1.5}, 3.0, True, 9.0),
        ({1.0: 2.5, 2.0: 2.0, 4.0: math.inf}, 2.0, False, None),  # a run that diverged is a neighbour
        ({1.0: math.inf, 2.0: math.inf}, 1.0, True, 0.5),
        ({0.0: 2.0, 1.0: 2.5}, 0.0, True, None),  # zero has no ratio
        ({0.0: 2.5, 1.0: 2.0}, 1.0, True, None),
        ({2.0: 2.0, 1.0: 2.0, 4.0: 2.0}, 1.0, True, 0.5),
    ],
)
def test_the_grid_grows_by_its_own_ratio_where_the_optimum_is_at_its_edge(
    losses: dict[float, float], best: float, edge: bool, wider: float | None
) -> None:
    found = Optimum(losses)
    assert (found.value, found.edge, found.wider()) == (best, edge, wider)


def test_a_grid_grows_only_to_what_the_field_allows(cell: Cell) -> None:
    def more(key: str, losses: dict[float, float]) -> float | None:
        found = grown(cell, Optimum(losses), Sweep(key, tuple(losses)), "params")
        return found and found[1]

    assert more("optim.lr", {1e-3: 3.0, 2e-3: 2.0}) == 4e-3
    assert more("schedule.warmup_steps", {5.0: 1.0, 10.0: 2.0}) == 2.0  # a whole number
    assert more("schedule.warmup_steps", {1.0: 1.0, 2.0: 2.0}) == 0.0
    assert more("model.decoder.dropout", {0.3: 3.0, 0.6: 2.0}) is None  # 1.2 is no probability
    assert more("optim.lr", {1e-3: 2.0, 2e-3: 1.0, 4e-3: 2.0}) is None


@pytest.fixture
def tuned() -> Tuned:
    """One optimum inside, one at the edge with a lost run, one without a finished run."""
    inside = Optimum({1e-3: 3.0, 2e-3: 2.0, 4e-3: 2.5})
    edge = Optimum({1e-3: 2.9, 2e-3: math.inf}, {2e-3: "step 7: not finite"})
    none = Optimum({1e-3: math.inf, 2e-3: math.inf}, {1e-3: "it stopped at step 4 of 6", 2e-3: "step 2"})
    return Tuned(Sweep("optim.lr", (1e-3, 2e-3)), {"base": inside, "norm-layer": edge, "norm-none": none})


def test_the_table_has_every_loss_and_marks_the_lowest(tuned: Tuned) -> None:
    assert tuned.table(CELLS) == [
        ["optim.lr", "0.001", "0.002", "0.004"],
        ["rms", "3.0000", "2.0000 *", "2.5000"],
        ["layer", "2.9000 *", "not finished", ""],
        ["none", "not finished", "not finished", ""],
    ]


def test_edges_and_lost_runs_are_said(tuned: Tuned) -> None:
    assert tuned.notes(CELLS) == [
        "layer: its best optim.lr, 0.001, is the smallest that was tried, at the edge of the grid: a better one may "
        "lie beyond it.",
        "layer: optim.lr=0.002 did not finish: step 7: not finite.",
        "none: optim.lr=0.001 did not finish: it stopped at step 4 of 6.",
        "none: optim.lr=0.002 did not finish: step 2.",
    ]
    assert (
        tuned.against("norm-layer", "base")
        == "each at its best optim.lr: 0.001, at the edge of its grid, against 0.002"
    )
    assert tuned.lost("norm-none") == "no value of optim.lr finished" and not tuned.lost("base")


def test_the_record_is_plain_data(tuned: Tuned) -> None:
    found = tuned.record()["optima"]
    assert found["base"] == {
        "best": 2e-3,
        "edge": False,
        "losses": {"0.001": 3.0, "0.002": 2.0, "0.004": 2.5},
        "reasons": {},
    }
    assert found["norm-none"]["best"] is None and found["norm-layer"]["losses"]["0.002"] is None


def test_the_curve_has_a_star_at_each_optimum_and_a_cross_for_each_lost_run(tuned: Tuned) -> None:
    axes = blank(4, 3).subplots()
    tuned.draw(axes, CELLS)
    marks = [(line.get_marker(), [*map(float, line.get_xdata())]) for line in axes.lines]
    assert [x for mark, x in marks if mark == "*"] == [[2e-3], [1e-3]]
    assert sorted(value for mark, x in marks if mark == "x" for value in x) == [1e-3, 2e-3, 2e-3]
    assert axes.get_xscale() == "log" and axes.get_ylim()[0] < 2.0
    assert [text.get_text() for text in axes.get_xticklabels(which="both")] == ["0.001", "0.002", "0.004"]
