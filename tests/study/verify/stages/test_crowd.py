"""A neighbour that changes a text is found: a number, or in exact mode a bit."""

from pathlib import Path
from typing import Any

import pytest
import torch

import small
from certified import ALONE, CROWD, SHORT, first, verdicts
from small import noisy
from trivium.infer.engine import InferenceEngine
from trivium.study.verify.certificate import certify


def test_exact_mode_demands_bits_of_a_crowd(folder: Path, stages_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    stages_of(ALONE, CROWD)
    right = InferenceEngine._logits

    def nudged(self: InferenceEngine, hidden: torch.Tensor) -> torch.Tensor:
        logits = right(self, hidden)
        return logits * (1 + 1e-6) if len(self.running) > 1 else logits

    monkeypatch.setattr(InferenceEngine, "_logits", nudged)
    assert set(verdicts(certify(folder, **SHORT)).values()) == {"same"}, "within what is allowed"
    found = first(certify(folder, exact=True, **SHORT))
    assert found.stage == CROWD and "bits of a log-probability, token 0" in found.about


def test_a_padded_pass_that_sees_padding_is_found(
    tmp_path: Path, stages_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages_of(ALONE, CROWD)
    from trivium.model.attention.view import View

    right = View.allow
    path = noisy(small.model("bert")).save(tmp_path / "model")

    def open_(self: View, *words: Any, **named: Any) -> torch.Tensor:
        allow = right(self, *words, **named)
        return torch.ones_like(allow) if allow.shape[0] > 1 else allow

    monkeypatch.setattr(View, "allow", open_)
    found = first(certify(path, **SHORT))
    assert found.stage == CROWD and "states, token 0" in found.about
