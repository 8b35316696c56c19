"""Sentences that follow the stated rule, checked against tables of Student's t and against made-up runs."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from trivium.study import verdict
from trivium.study.grid import Comparison
from trivium.study.verdict import judge, quantile, report, sentences, spread


@pytest.mark.parametrize(("freedom", "expected"), [(1, 12.706), (4, 2.776), (11, 2.201), (20, 2.086), (60, 2.000)])
def test_quantiles_are_those_of_the_tables(freedom: int, expected: float) -> None:
    assert quantile(freedom) == pytest.approx(expected, rel=0.01)


def test_a_verdict_needs_more_than_the_spread() -> None:
    assert judge([4.00, 4.01, 4.02], [3.90, 3.91, 3.92])[:2] == ("better", pytest.approx(-0.1))
    assert judge([4.00, 4.01, 4.02], [4.10, 4.11, 4.12])[0] == "worse"
    assert judge([4.00, 4.10, 4.20], [4.05, 4.15, 4.25])[0] == "no difference"
    assert judge([4.0], [3.0])[0] == "undecided"
    assert judge([4.0, 4.0], [4.0, 4.0])[0] == "no difference"
    # t = 0.1 / (s sqrt(2/3)) with s = 0.05 is 2.45: under the 2.776 that four degrees of freedom ask for
    assert judge([4.00, 4.05, 4.10], [4.10, 4.15, 4.20])[0] == "no difference"
    assert judge([4.00, 4.05, 4.10], [4.12, 4.17, 4.22])[0] == "worse"


def test_the_least_difference_that_counts_is_that_of_the_test() -> None:
    """2.776 standard errors of a difference of two means of three with a deviation of 0.05."""
    first, second = [4.00, 4.05, 4.10], [4.10, 4.15, 4.20]
    least = judge(first, second).least
    assert least == pytest.approx(2.776 * 0.05 * math.sqrt(2 / 3))
    for more, word in ((0.999 * least, "no difference"), (1.001 * least, "worse")):
        assert judge(first, [loss + more for loss in first]).word == word
    assert judge([4.0], [3.0]).least == math.inf


def test_a_seed_that_both_sides_share_makes_no_pair() -> None:
    """Losses in another order of seeds have the same verdict: data of one seed are no reason for one loss."""
    assert judge([4.00, 4.05, 4.10], [4.01, 4.06, 4.11]) == judge([4.00, 4.05, 4.10], [4.11, 4.01, 4.06])


def test_what_would_count_is_said_where_there_is_no_difference() -> None:
    results = [*runs("base", [4.0, 4.1], 100), *runs("norm-layer", [4.05, 4.15], 50)]
    assert "no difference at this budget (+0.0500 nats; 0.3043 would count)" in sentences(COMPARISON, results, "x")[0]


def test_a_spread_is_mean_and_deviation() -> None:
    assert spread([1.0]) == "1.0000" and spread([1.0, 3.0], "{:.1f}") == "2.0 ± 1.4"


def runs(cell: str, losses: list[float | None], speed: int) -> list[dict]:
    return [
        {
            "cell": cell,
            "seed": seed,
            "run": f"{cell}/{seed}",
            "loss": loss,
            "unfinished": None if loss else "step 3",
            "tokens_per_second": speed,
            "peak_mb": 10.0,
            "parameters": 1000,
            "steps": 10,
            "tokens": 640,
            "threads": 1,
        }
        for seed, loss in enumerate(losses)
    ]


COMPARISON = Comparison("norm", "layers 2", [("rms", "base"), ("layer", "norm-layer"), ("none", "norm-none")])


def test_sentences_name_axis_values_numbers_and_budget() -> None:
    results = [*runs("base", [4.0, 4.01], 100), *runs("norm-layer", [3.9, 3.91], 50)]
    first, second = sentences(COMPARISON, results, "10 steps")
    assert first.startswith("norm (layers 2): layer against rms: better by 0.1000 nats")
    assert "2 seeds" in first and "0.50 x the tokens a second" in first and first.endswith("budget: 10 steps.")
    assert "not run yet" in second


def test_a_run_that_diverged_is_said_and_not_averaged_away() -> None:
    results = [*runs("base", [4.0, 4.01], 100), *runs("norm-layer", [3.9, None], 50), *runs("norm-none", [3.0], 50)]
    diverged, single = sentences(COMPARISON, results, "10 steps")
    assert "layer: 1 of 2 runs did not finish" in diverged and "better" not in diverged
    assert "one seed cannot tell" in single


def written(folder: Path, results: list[dict]) -> list[dict]:
    """Write the metrics of made-up runs."""
    for result in results:
        run = folder / result["cell"] / str(result["seed"])
        run.mkdir(parents=True)
        lines = [{"step": step, "loss": 5.0 - step / 10 + result["seed"] / 50} for step in range(1, 11)]
        lines.append({"step": 10, "valid_loss": result["loss"] or float("nan")})
        (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return results


def test_long_names_of_values_stand_in_lines_below_their_dots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Any] = []
    monkeypatch.setattr(verdict, "save", lambda figure, out: drawn.append(figure))
    results = written(tmp_path, [*runs("base", [4.0, 4.01], 100), *runs("norm-layer", [3.9, 3.91], 50)])
    pairs = [("a name of many words", "base"), ("short", "norm-layer")]
    verdict.draw(tmp_path, [Comparison("norm", "", pairs)], results, tmp_path / "a.png")
    labels = drawn[0].axes[1].get_xticklabels()
    assert [label.get_text() for label in labels] == ["a name of many\nwords", "short"]
    assert all(label.get_ha() == "right" and label.get_rotation() == 20 for label in labels)


def test_a_report_is_page_picture_and_json(tmp_path: Path) -> None:
    results = written(tmp_path, [*runs("base", [4.0, 4.01], 100), *runs("norm-layer", [3.9, None], 50)])
    report(tmp_path, "10 steps", [COMPARISON], results, {"norm-layer": "ffn.size 4 -> 5"})
    found = json.loads((tmp_path / "ablate.json").read_text())
    assert found["comparisons"][0]["rows"][1][0] == "layer (ffn.size 4 -> 5)"
    assert found["comparisons"][0]["rows"][1][1] == "1 not finished"
    html = (tmp_path / "ablate.html").read_text()
    assert "4.0050 ± 0.0071" in html and "5 % to chance" in html and "data:image/png" in html
    assert (tmp_path / "ablate.png").read_bytes().startswith(b"\x89PNG")
