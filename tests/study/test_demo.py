"""The demo on a little text: every stage leaves its result, a second run repeats none, and the report is honest."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from trivium import api
from trivium.base.errors import ConfigError
from trivium.base.types import Document
from trivium.corpus.read import embedded
from trivium.study import demo as room
from trivium.study import facts


def little(**_: Any) -> Iterator[Document]:
    for fact in facts.collect()[:60]:
        yield Document(f"{fact.name}\n\n{fact.context}\n", fact.name, "embedded/python")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A finished demo of a few steps."""
    out = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embedded, "collect", little)
        patch.setattr(room, "VOCAB_SIZE", 512)
        patch.setattr(room, "VALID_SHARE", 0.2)
        patch.setattr(room, "SHAPE", {"hidden_size": 32, "decoder": {"layers": 1, "heads": 2}})
        patch.setattr(room, "SCORES_SECONDS", 0.0)
        room.demo(out, 0.05)
        yield out


def test_every_stage_leaves_its_result(folder: Path) -> None:
    for name in (
        "corpus.jsonl",
        "data/manifest.json",
        "questions/heldout.jsonl",
        "plan.json",
        "pretrain/metrics.jsonl",
        "tune/metrics.jsonl",
        "model/config.json",
        "pretrain.png",
        "tune.png",
        "report.json",
    ):
        assert (folder / name).exists(), name
    assert api.load(folder / "model").chat([{"role": "user", "content": "hi"}], max_new_tokens=2) is not None


def test_the_report_puts_floors_and_the_untuned_model_beside_the_result(folder: Path) -> None:
    report = json.loads((folder / "report.json").read_text())
    assert set(report["floors"]) == {"unigram", "trigram", "xz"}
    assert report["before"]["rows"] == report["after"]["rows"] == 200
    assert report["right"] == round(report["after"]["exact_match"] * 200)
    assert report["pretrained"]["bits_per_byte"] > 0
    assert len(report["examples"]) == 5


def test_a_second_run_trains_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "run", None)
    monkeypatch.setattr(room, "scored", None)
    monkeypatch.setattr(room, "answered", None)
    before = (folder / "report.json").read_bytes()
    room.demo(folder, 0.05)
    assert (folder / "report.json").read_bytes() == before


def test_other_minutes_in_the_same_folder_are_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"holds a demo of 0\.05 minutes"):
        room.demo(folder, 3.0)


def test_what_is_held_out_is_the_wording_not_the_fact(folder: Path) -> None:
    train, heldout = ((folder / "questions" / f"{name}.jsonl").read_text() for name in ("train", "heldout"))
    asked = {json.loads(line)["instruction"] for line in heldout.splitlines()}
    assert len(asked) == 200 and not any(json.dumps(question)[1:-1] in train for question in asked)
