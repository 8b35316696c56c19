"""The certificate of a run: one chain for any number of processes, and what may break it."""

import json

import pytest
import torch

import grains
from grains import GrainRun
from ranks import together
from trivium.base.errors import ConfigError, DataError
from trivium.train.exact import certificate
from trivium.train.exact.certificate import FILE, hashed, link, read_certificate, sealed


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return grains.corpus(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    made = GrainRun(data, tmp_path_factory.mktemp("run"))
    made.last = made.go()
    return made


def test_a_line_tells_what_a_step_read_and_computed(run):
    lines = read_certificate(run.folder)
    assert [*lines] == [0, 1, 2, 3, 4]
    losses = {line["step"]: line["loss"] for line in run.lines("metrics.jsonl")}
    for step, line in lines.items():
        assert (line["grains"], line["grain_rows"], line["threads"]) == (8, 1, torch.get_num_threads())
        assert line["torch"] == torch.__version__ and ("weights" in line) == (step in (0, 2, 4))
        assert line["loss"] == losses.get(step, 0.0) and len(line["data"]) == 64 * bool(step)
    assert len({line["data"] for line in lines.values()}) == 5
    before = ""
    for line in map(dict, lines.values()):
        before = link(before, {key: value for key, value in line.items() if key != "chain"})
        assert line["chain"] == before


def test_the_weights_are_hashed_with_their_names(run):
    model = run.model()
    first = hashed(model)
    assert first == read_certificate(run.folder)[0]["weights"] == hashed(run.model())
    with torch.no_grad():
        model.decoder.norm.bias[3] += 1e-7
    assert hashed(model) != first
    assert sealed(run.folder)["weights"] == read_certificate(run.folder)[4]["weights"]
    assert sealed(run.folder)["steps"] == 4 and sealed(run.folder)["chain"] == run.last[1]


def test_a_run_that_goes_on_goes_on_with_the_chain(data, run, tmp_path):
    again = GrainRun(data, tmp_path / "run")
    again.go(steps=2)
    with open(again.folder / FILE, "a") as file:
        file.write('{"step": 3, "chain": "of a step after the checkpoint"}\n{"ste')
    assert again.go() == run.last and again.lines() == run.lines()


def test_a_plain_run_has_none(data, tmp_path):
    plain = GrainRun(data, tmp_path / "run", deterministic=False)
    plain.go(steps=1)
    with pytest.raises(DataError, match=r"certificate.jsonl: no such file: only a run with deterministic=true"):
        read_certificate(plain.folder)
    assert not any("data" in line for line in plain.lines("metrics.jsonl"))


def test_a_run_keeps_its_threads(data, tmp_path, monkeypatch):
    again = GrainRun(data, tmp_path / "run")
    again.go(steps=1)
    own = certificate.machine()
    monkeypatch.setattr(certificate, "machine", lambda: {**own, "threads": 7})
    with pytest.raises(
        ConfigError,
        match=rf"the run has {own['threads']} threads and this process 7; set OMP_NUM_THREADS={own['threads']}",
    ):
        again.go(steps=2)


def test_another_torch_is_told(data, tmp_path, monkeypatch, capsys):
    again = GrainRun(data, tmp_path / "run")
    again.go(steps=1)
    mine, own = torch.__version__, certificate.machine()
    monkeypatch.setattr(certificate, "machine", lambda: {**own, "torch": "9.9"})
    again.go(steps=2)
    assert f"deterministic: torch was {mine} and is now 9.9" in capsys.readouterr().err
    assert [line["torch"] for line in again.lines()] == [mine, mine, "9.9"]


def test_processes_must_begin_with_the_same_weights(data, tmp_path):
    run = GrainRun(data, tmp_path / "run")

    def act(ranks):
        model = run.model()
        with torch.no_grad():
            model.decoder.norm.bias += float(ranks.rank)
        return run.go(ranks, model=model)

    for told in together(2, act, tmp_path / "ranks"):
        assert told.startswith("deterministic: process 1 does not begin with the weights of process 0")


def test_a_damaged_certificate_is_said(tmp_path):
    (tmp_path / FILE).write_text(json.dumps({"step": 1}) + "\n{")
    with pytest.raises(DataError, match="the certificate is damaged"):
        read_certificate(tmp_path)
