"""The trace of a few steps: the file is one that viewers read, the table adds up, and the run is as without it."""

import json

import pytest

import tiny
from trivium.train.loop import train
from trivium.train.profile import SKIPPED, TRACED, traced


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tiny.write_corpus(tmp_path_factory.mktemp("profile"), tiny.documents([11, 30, 5, 17, 9, 8, 22, 13]))


def fit(data, folder, steps, **options):
    folder.mkdir(exist_ok=True)
    loader = tiny.loader(tiny.document_rows(data))
    return train(tiny.model(layers=1), loader, tiny.recipe(), steps, folder, **options)


def test_the_dearest_operators_are_told_and_the_run_goes_on(data, tmp_path, capsys):
    assert fit(data, tmp_path / "run", 10, profile=True).step == 10
    told = capsys.readouterr().out.splitlines()
    at = next(number for number, line in enumerate(told) if line.startswith(f"{TRACED} steps were traced"))
    rows = [line.split() for line in told[at + 2 : at + 12]]
    times, shares = [float(row[-2]) for row in rows], [float(row[-1].rstrip("%")) for row in rows]
    assert times == sorted(times, reverse=True) and 30 < sum(shares) <= 100.5
    products = next(row for row in rows if row[0] == "aten::mm")
    assert int(products[1]) % TRACED == 0 and int(products[1]) >= 2 * 5 * TRACED, "calls of all traced steps"
    events = json.loads((tmp_path / "run" / "profile.json").read_text())["traceEvents"]
    assert any(event.get("name") == "aten::mm" for event in events)
    fit(data, tmp_path / "plain", 10)
    first, second = (
        (tmp_path / name / "checkpoints" / "step-00000010" / "model.safetensors").read_bytes()
        for name in ("run", "plain")
    )
    assert first == second


def test_a_run_that_ends_within_the_trace_tells_what_there_is(data, tmp_path, capsys):
    fit(data, tmp_path, SKIPPED + 2, profile=True)
    assert "2 steps were traced" in capsys.readouterr().out and (tmp_path / "profile.json").is_file()


def test_a_run_that_ends_before_says_so(tmp_path, capsys):
    assert list(traced(iter(range(SKIPPED)), tmp_path / "profile.json")) == [0, 1, 2]
    assert "the run ended after 3 steps; the first that is traced is step 4" in capsys.readouterr().err
    assert not (tmp_path / "profile.json").exists()
