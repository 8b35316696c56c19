"""What the tests of certificates share: short ones, and what they found."""

import json
from pathlib import Path
from typing import Any

from trivium.study.verify.certificate import Finding
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
