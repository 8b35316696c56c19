"""The page says what metrics.jsonl and recipe.json say, for one run and for several."""

import html
import json
import re
import shutil
from pathlib import Path

import pytest

from runs import pretraining
from trivium.base.errors import DataError
from trivium.cli import run as command
from trivium.lab.picture import read
from trivium.lab.run.report import LIMIT, report
from trivium.task.run import run


@pytest.fixture(scope="module")
def two(data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("report")
    run(pretraining(data), folder / "first")
    run(pretraining(data, optim={"lr": 2e-2}, samples=["A letter", "Winter <b>"]), folder / "second")
    return [folder / "first", folder / "second"]


def cells(page: str) -> list[list[str]]:
    rows = re.findall(r"<tr>(.*?)</tr>", page, re.S)
    return [[html.unescape(cell) for cell in re.findall(r"<t[dh]>(.*?)</t[dh]>", row, re.S)] for row in rows]


def test_results_are_those_of_the_metrics(two: list[Path], tmp_path: Path) -> None:
    assert command(["report", *map(str, two), "-o", str(tmp_path / "r.html")]) == 0
    rows = cells((tmp_path / "r.html").read_text())
    for folder in two:
        lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        (row,) = (row for row in rows if row[:1] == [str(folder)])
        assert row[1] == str(lines[-2]["step"]) and row[2] == f"{lines[-2]['tokens']:,}"
        assert row[5].endswith(" MiB") and row[7] == f"{lines[-1]['valid_loss']:.4f}"


def test_only_the_fields_that_differ_are_listed(two: list[Path], tmp_path: Path) -> None:
    report(two, tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text()
    between = page[page.index("What differs") : page.index("Recipes")]
    samples = "['A letter', 'Winter <b>']"
    assert cells(between) == [["field", *map(str, two)], ["optim.lr", "0.01", "0.02"], ["samples", "[]", samples]]
    assert page.count("<img ") == 5


def test_samples_stand_by_step_under_their_prompt(two: list[Path], tmp_path: Path) -> None:
    report(two[1:], tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text()
    lines = [json.loads(line) for line in (two[1] / "metrics.jsonl").read_text().splitlines()]
    texts = {f"{line['step']:,}": line["valid_samples"] for line in lines if "valid_samples" in line}
    assert [*texts] == ["0", "2", "4"]
    for number, prompt in enumerate(("A letter", "Winter &lt;b&gt;")):
        part = page.split(f"<p>After &#x27;{prompt}&#x27;:</p>")[1].split("</table>")[0]
        shown = [[step, text[number] if text[number].strip() else "(blank)"] for step, text in texts.items()]
        assert cells(part) == [["step", str(two[1])], *shown]
    later = tmp_path / "later"
    shutil.copytree(two[1], later)
    lines = (later / "metrics.jsonl").read_text().replace('"valid_samples": [', '"valid_samples": ["other ", ')
    (later / "metrics.jsonl").write_text("".join(line for line in lines.splitlines(True) if '"step": 4' not in line))
    report([*two, later], tmp_path / "both.html")
    part = (tmp_path / "both.html").read_text().split("A letter&#x27;:</p>")[1].split("</table>")[0]
    assert cells(part)[0] == ["step", str(two[1]), str(later)], "a run without samples has no column"
    assert [row[2] for row in cells(part)[1:]] == ["other ", "other ", "-"]
    report(two[:1], tmp_path / "none.html")
    assert "Samples" not in (tmp_path / "none.html").read_text()


def test_what_differs_of_the_machines_comes_first(two: list[Path], tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(two[0], other)
    environment = json.loads((other / "environment.json").read_text())
    (other / "environment.json").write_text(json.dumps({**environment, "threads": 64}))
    report([two[0], other], tmp_path / "r.html")
    (machine,) = (tmp_path / "r.html").read_text().split("<h2>Machine</h2>")[1:]
    assert cells(machine)[1] == ["threads", str(environment["threads"]), "64"]


def test_one_run_has_its_recipe_and_machine(two: list[Path], tmp_path: Path) -> None:
    report(two[:1], tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text()
    assert "What differs" not in page
    assert ["model.hidden_size", "16"] in cells(page) and ["processes", "1"] in cells(page)


def test_a_name_cannot_become_markup(two: list[Path], tmp_path: Path) -> None:
    hostile = tmp_path / "<script>x"
    hostile.symlink_to(two[0])
    report([hostile], tmp_path / "r.html")
    assert "<script>x" not in (tmp_path / "r.html").read_text()


def test_the_speed_is_between_two_lines_of_the_metrics(tmp_path: Path) -> None:
    lines = [
        {"step": 1, "loss": 2.0, "tokens": 100, "all_seconds": 1.0, "norm": 0.5, "lr": 0.1},
        {"step": 2, "loss": 1.5, "tokens": 300, "all_seconds": 1.5, "norm": None, "lr": 0.2},
    ]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    curve = read(tmp_path / "metrics.jsonl")
    assert curve.rates == [400.0] and curve.lrs == [0.1, 0.2]
    assert curve.norms[0] == 0.5 and curve.norms[1] != curve.norms[1]


def test_what_is_no_run_is_refused(two: list[Path], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected a run folder, found no recipe\.json in it"):
        report([tmp_path], tmp_path / "r.html")
    with pytest.raises(DataError, match=f"expected at most {LIMIT} runs, found {LIMIT + 1}"):
        report([two[0]] * (LIMIT + 1), tmp_path / "r.html")
    assert not (tmp_path / "r.html").exists()
