"""An engine that computes something else is found, and the difference is explained."""

import json
from pathlib import Path
from typing import Any

import pytest

from certified import ALONE, SHORT, first, verdicts
from trivium.infer.engine import InferenceEngine
from trivium.study.verify.certificate import certify


def test_a_wrong_engine_is_explained_with_the_margin(
    folder: Path, stages_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages_of("step by step", ALONE)
    right = InferenceEngine._logits
    monkeypatch.setattr(InferenceEngine, "_logits", lambda self, hidden: right(self, hidden).roll(1, dims=-1))
    findings = certify(folder, **SHORT)
    assert verdicts(findings)["step by step"] == "same", "the reference is not the engine's"
    found = first(findings)
    assert found.stage == ALONE and "token 0" in found.about and "the best two are" in found.about
    assert found.facts["first"]["off"] > found.facts["first"]["allowed"] > 0
    assert json.loads((folder / "parity.json").read_text())["verdict"] == "different"
    assert "not the same: engine, one text alone" in (folder / "README.md").read_text()
