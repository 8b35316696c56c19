"""The certificate: hashes, then every stage against the trainer's forward; parity.json, and a line on the card."""

import platform
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import xxhash

from trivium import api
from trivium.base import files
from trivium.base.errors import ModelError
from trivium.base.folder import is_hub, model_folder
from trivium.base.integrity import verification
from trivium.base.log import result, say
from trivium.base.version import FORMAT
from trivium.interop.card.section import PARITY, with_parity
from trivium.interop.weights import check
from trivium.model.weights import collect
from trivium.study.verify import trainer
from trivium.study.verify.difference import TABLES, Difference, Outcome, compare
from trivium.study.verify.stage import TOLERANCE, ParityStage, stages
from trivium.study.verify.subject import Reply, Subject
from trivium.study.verify.texts import texts_of

CARD = "README.md"
LIBRARIES = ("trivium", "torch", "transformers", "xllamacpp", "ctranslate2")


@dataclass
class Finding:
    """What one stage found."""

    stage: str
    verdict: str
    """`same`, `different`, or `not run`."""
    about: str
    """What was compared, what differs first, or why it was not run."""
    facts: dict[str, Any] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """Return the finding as plain data."""
        return {"stage": self.stage, "verdict": self.verdict, "about": self.about, **self.facts}


def certify(
    folder: str | Path,
    source: Path | None = None,
    count: int = 8,
    new_tokens: int = 32,
    exact: bool = False,
    gguf: Path | None = None,
    ctranslate2: Path | None = None,
) -> list[Finding]:
    """Compare all ways of computing a model, tell each finding, and write parity.json; return the findings.

    `source` has the texts: a file, or a data folder. A model of the hub is compared, and nothing is written.
    """
    place = model_folder(folder)
    for given, what in ((gguf, "--gguf"), (ctranslate2, "--ctranslate2")):
        if given is not None and not given.exists():
            raise ModelError(f"{what} {given}: no such file or folder")
    with verification(False):  # the hashes are the first finding, not an error
        model = api.load(folder)
    subject = Subject(place, model, texts_of(source, count), exact, new_tokens, gguf, ctranslate2)
    tensors = {name: _hash(tensor) for name, tensor in collect(model.transformer).items()}
    findings = [told(_hashes(place, tensors))]
    subject.expected = trainer.replies(subject)
    replies: dict[str, list[Reply]] = {}
    for stage in stages():
        findings.append(told(_run(subject, stage, replies)))
    if is_hub(folder):
        say(f"{folder}: a model of the hub; nothing is written")
    else:
        _write(place, subject, tensors, findings)
    return findings


def told(finding: Finding) -> Finding:
    """Print a finding, and return it."""
    result(f"{finding.stage:<24} {finding.verdict:<10} {finding.about}")
    return finding


def _hash(tensor: Any) -> str:
    data = tensor.detach().cpu().contiguous().float().numpy()
    return xxhash.xxh3_128(f"{tuple(tensor.shape)}".encode() + data.tobytes()).hexdigest()


def _named(folder: Path) -> dict[str, str]:
    """Return the hash of each file that says what the model computes."""
    names = [path.name for path in sorted(folder.glob("*.json*")) if path.name[0] != "." and path.name != PARITY]
    return check.hashes(folder) | {name: files.xxh3(folder / name) for name in names}


def _hashes(folder: Path, tensors: dict[str, str]) -> Finding:
    """Compare the files with the hashes that trivium wrote, and with those of an earlier certificate."""
    now, about = _named(folder), folder / check.OURS
    known = files.read_json(about, ModelError).get(check.HASHES, {}) if about.is_file() else {}
    before = files.read_json(folder / PARITY, ModelError) if (folder / PARITY).is_file() else {}
    changed = [name for name, wanted in {**before.get("files", {}), **known}.items() if now.get(name) != wanted]
    if changed:
        which = [name for name, wanted in before.get("tensors", {}).items() if tensors.get(name) != wanted]
        more = f"; the tensor {which[0]} is another ({len(which)} of {len(tensors)} are)" if which else ""
        since = (
            "trivium wrote it" if changed[0] in known else f"the certificate in {PARITY}; delete that to certify anew"
        )
        return Finding("hashes", "different", f"{changed[0]}: changed since {since}{more}", {"changed": changed})
    said = f"{len(now)} files, {len(tensors)} tensors"
    return Finding("hashes", "same", said if known or before else f"{said}; no hashes were known, these are the first")


def _run(subject: Subject, stage: ParityStage, earlier: dict[str, list[Reply]]) -> Finding:
    if (reason := stage.refusal(subject)) is not None and reason:
        return Finding(stage.name, "not run", reason)
    replies, tolerance = stage.replies(subject), stage.tolerance(subject)
    earlier[stage.name], total = replies, Outcome()
    alone = earlier.get("engine, one text alone") if subject.exact and subject.writes and stage.bits else None
    for number, reply in enumerate(replies):
        at = number % len(subject.texts)
        found = compare(subject, at, reply, subject.expected[at], tolerance)
        found.difference = found.difference or (_bits(subject, at, reply, alone[at]) if alone else None)
        if found.difference is not None:
            return _different(subject, stage, found.difference)
        total = Outcome(max(total.off, found.off), total.tokens + found.tokens, total.ties + found.ties)
    facts = {"largest": total.off, "tolerance": tolerance, "new_tokens": total.tokens, "ties": total.ties}
    return Finding(stage.name, "same", "; ".join(_said(subject, stage, replies, facts, alone is not None)), facts)


def _said(
    subject: Subject, stage: ParityStage, replies: list[Reply], facts: dict[str, Any], bits: bool
) -> Iterator[str]:
    yield f"{len(replies):,} texts" + (
        f", {facts['new_tokens']:,} new ids" if any(one.ids is not None for one in replies) else ""
    )
    if any(one.chances or any(getattr(one, name) is not None for name in TABLES) for one in replies):
        yield f"numbers within {facts['largest']:.1e}"
    if bits:
        yield "the bits of one text alone"
    if facts["ties"]:
        yield f"{facts['ties']} went on otherwise at a tie"


def _bits(subject: Subject, at: int, reply: Reply, alone: Reply) -> Difference | None:
    """Return the first place where a reply has not the bits of the text alone."""
    if reply.ids is not None and reply.ids != alone.ids:
        return Difference(at, "new ids beside others", None, alone.ids, reply.ids)
    for k, (one, other) in enumerate(zip(reply.chances or (), alone.chances or (), strict=False)):
        if unequal := [index for index, chance in one.items() if other.get(index, chance) != chance]:
            index = unequal[0]
            return Difference(
                at, "bits of a log-probability", k, other[index], one[index], abs(one[index] - other[index])
            )
    return None


def _different(subject: Subject, stage: ParityStage, difference: Difference) -> Finding:
    return Finding(stage.name, "different", difference.line(subject), {"first": difference.record()})


def _write(place: Path, subject: Subject, tensors: dict[str, str], findings: list[Finding]) -> None:
    """Write parity.json, and the line of the card. A folder whose hashes differ keeps the certificate that it has."""
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    same = [finding.stage for finding in findings if finding.verdict == "same"]
    different = [finding.stage for finding in findings if finding.verdict == "different"]
    if "hashes" in different and (place / PARITY).is_file():
        return say(f"{place / PARITY}: left as it is")
    record = {
        "format": FORMAT,
        "verdict": "different" if different else "same",
        "texts": len(subject.texts),
        "new_tokens": subject.new_tokens,
        "exact": subject.exact,
        "tolerance": TOLERANCE,
        "machine": platform.machine(),
        "versions": versions,
        "stages": [finding.record() for finding in findings],
        "files": _named(place),
        "tensors": tensors,
    }
    files.write_json(place / PARITY, record)
    if (card := place / CARD).is_file():
        line = f"not the same: {', '.join(different)}" if different else f"the same: {', '.join(same)}"
        files.write_text(card, with_parity(card.read_text(encoding="utf-8"), f"{line} ({len(subject.texts)} texts)"))
    return None
