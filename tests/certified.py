"""What the tests of certificates share: short ones, and what they found."""

import json
from pathlib import Path
from typing import Any

from trivium.study.verify.certificate import Finding, certify
from trivium.study.verify.difference import Outcome, compare
from trivium.study.verify.subject import Reply, Subject

SHORT: dict[str, Any] = {"count": 3, "new_tokens": 8}
ALONE, CROWD = "engine, one text alone", "engine, in a crowd"


def verdicts(findings: list[Finding]) -> dict[str, str]:
    return {finding.stage: finding.verdict for finding in findings}


def first(findings: list[Finding]) -> Finding:
    return next(finding for finding in findings if finding.verdict == "different")


def theta(folder: Path, value: float) -> None:
    tree = json.loads((folder / "config.json").read_text())
    tree["rope_parameters" if "rope_parameters" in tree else "rope_theta"] = (
        {**tree["rope_parameters"], "rope_theta": value} if "rope_parameters" in tree else value
    )
    (folder / "config.json").write_text(json.dumps({**tree, "rope_theta": value}))


def outcomes(subject: Subject, replies: list[Reply], tolerance: float = 1e-4) -> list[Outcome]:
    """Compare what a stage says about each text."""
    return [compare(subject, at, reply, subject.expected[at], tolerance) for at, reply in enumerate(replies)]


def tells_apart(stage: str, folder: Path, **other: Any) -> None:
    """The stage of another program agrees; then a wrong theta and a wrong tokenizer of the folder are found by it."""
    assert set(verdicts(certify(folder, **SHORT, **other)).values()) == {"same"}
    for name in ("parity.json", "trivium.json"):
        (folder / name).unlink()
    config = (folder / "config.json").read_text()
    theta(folder, 500.0)
    found = first(certify(folder, **SHORT, **other))
    assert found.stage == stage, "the stock class reads the same wrong file"
    assert "off by" in found.about and "the best two are" in found.about
    (folder / "parity.json").unlink()
    (folder / "config.json").write_text(config)
    tree = json.loads((folder / "tokenizer.json").read_text())
    table = tree["model"]["vocab"]
    table["a"], table["b"] = table["b"], table["a"]
    (folder / "tokenizer.json").write_text(json.dumps(tree))
    found = first(certify(folder, **SHORT, **other))
    assert found.stage == stage and "ids read, token" in found.about
