"""Differences: where a reply first says something else than the reference, and how large that is."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from trivium.study.verify.subject import Reply, Subject, logprobs, slack

TABLES = ("states", "logits", "scores", "vector")
"""What a reply has in numbers, in the order of comparison."""


@dataclass(frozen=True)
class Difference:
    """The first place where a stage says something else than the reference."""

    text: int
    """The number of the text, from 0."""
    what: str
    """What differs: the ids that are read, states, logits, scores, new ids, new text."""
    token: int | None
    """The number of the token, from 0: of what is read (`ids read`, `states`, `logits`), or of what is new."""
    expected: Any
    found: Any
    off: float | None = None
    """How far the numbers are off."""
    allowed: float | None = None
    margin: float | None = None
    """How far the best id of the reference is before the second, in logits."""

    def line(self, subject: Subject) -> str:
        """Return the difference in one line."""
        quote, place = subject.texts[self.text], "" if self.token is None else f", token {self.token}"
        quote = quote if len(quote) <= 40 else f"{quote[:37]}..."
        parts = [f"text {self.text} ({quote!r}), {self.what}{place}"]
        if self.expected is not None:
            parts.append(f"expected {self.expected!r}, found {self.found!r}")
        if self.off is not None:
            parts.append(f"off by {self.off:.2g}" + (f", allowed {self.allowed:.2g}" if self.allowed else ""))
        if self.margin is not None:
            parts.append(f"the best two are {self.margin:.2g} apart")
        return "; ".join(parts)

    def record(self) -> dict[str, Any]:
        """Return the difference as plain data."""
        return {key: value for key, value in asdict(self).items() if value is not None}


@dataclass
class Outcome:
    """What the comparison of one reply found."""

    off: float = 0.0
    """How far numbers are off at most."""
    tokens: int = 0
    """How many new ids were compared."""
    ties: int = 0
    """How many texts went on otherwise where the best two ids are nearer than twice what is allowed."""
    difference: Difference | None = None


def compare(subject: Subject, at: int, reply: Reply, reference: Reply, tolerance: float) -> Outcome:
    """Compare what a stage says about a text with the reference; stop at the first difference."""
    outcome = Outcome()
    if reply.read is not None and reference.read is not None and reply.read != reference.read:
        outcome.difference = _ids(subject, at, "ids read", reply.read, reference.read)
        return outcome
    for name in TABLES:
        found, expected = getattr(reply, name), getattr(reference, name)
        if found is None or expected is None:
            continue
        if reply.ids is not None and reference.ids is not None:  # behind other ids stand other numbers
            rows = len(subject.prompt(at)) + _common(reply.ids, reference.ids)
            found, expected = found[:rows], expected[:rows]
        outcome.difference = _table(subject, at, name, found, expected, tolerance, outcome)
        if outcome.difference is not None:
            return outcome
    if reference.ids is not None:
        outcome.difference = _new(subject, at, reply, reference, tolerance, outcome)
    return outcome


def _common(a: Sequence[int], b: Sequence[int]) -> int:
    """Return how many ids two rows begin with alike."""
    return next((k for k, (one, other) in enumerate(zip(a, b, strict=False)) if one != other), min(len(a), len(b)))


def _ids(subject: Subject, at: int, what: str, found: Sequence[int], expected: Sequence[int]) -> Difference:
    token = _common(found, expected)
    return Difference(at, what, token, _name(subject, expected, token), _name(subject, found, token))


def _name(subject: Subject, ids: Sequence[int], token: int) -> str:
    """Return an id with its token, or say that there is none."""
    if token >= len(ids):
        return f"the end after {len(ids)}"
    known = 0 <= ids[token] < subject.model.tokenizer.size
    return f"{ids[token]} {subject.model.tokenizer.token(ids[token])}" if known else str(ids[token])


def _table(
    subject: Subject, at: int, name: str, found: Tensor, expected: Tensor, tolerance: float, outcome: Outcome
) -> Difference | None:
    if name == "logits":
        size = min(subject.model.tokenizer.size, expected.shape[-1])
        found, expected = found[..., :size], expected[..., :size]
    if found.shape != expected.shape:
        return Difference(at, f"shape of the {name}", None, list(expected.shape), list(found.shape))
    allowed = slack(expected, tolerance)
    off = (found.double() - expected.double()).abs().nan_to_num(torch.inf).flatten(0, -2 if found.dim() > 1 else -1)
    rows = off.amax(-1) if off.dim() > 1 else off.amax()[None]
    outcome.off = max(outcome.off, float(rows.max()))
    if float(rows.max()) <= allowed:
        return None
    token = int((rows > allowed).nonzero()[0])
    places = expected.reshape(len(rows), -1)[token]
    margin = _margin(places) if name in ("logits", "scores") and len(places) > 1 else None
    whole = found.dim() == 1
    return Difference(at, name, None if whole else token, None, None, float(rows[token]), allowed, margin)


def _margin(scores: Tensor) -> float:
    best = scores.topk(2).values
    return float(best[0] - best[1])


def _new(
    subject: Subject, at: int, reply: Reply, reference: Reply, tolerance: float, outcome: Outcome
) -> Difference | None:
    """Compare what is written: log-probabilities and ids, place by place, then the text."""
    assert reference.ids is not None and reference.logits is not None
    begin, size = len(subject.prompt(at)), subject.model.tokenizer.size
    told = logprobs(reference.logits[begin - 1 :], size)
    allowed, ids = slack(reference.logits, tolerance), reply.ids
    for k in range(len(reference.ids) + 1):
        chances = reply.chances[k] if reply.chances is not None and k < len(reply.chances) else {}
        margin = _margin(told[k]) if size > 1 else None
        for index, chance in chances.items():
            off = abs(chance - float(told[k, index]))
            outcome.off = max(outcome.off, off)
            if not off <= allowed:
                name = _name(subject, [index], 0)
                return Difference(at, f"log-probability of {name}", k, None, None, off, allowed, margin)
        if ids is None:
            continue
        found, expected = [*ids, -1][k : k + 1], [*reference.ids, -1][k : k + 1]
        if found != expected:
            if margin is not None and margin <= 2 * allowed:
                outcome.ties += 1
                return None
            names = _name(subject, reference.ids, k), _name(subject, ids, k)
            return Difference(at, "new ids", k, *names, _apart(told[k], ids, k), allowed, margin)
        outcome.tokens += k < len(reference.ids)
    if reply.text is not None and reply.text != reference.text:
        return _text(subject, at, reply.text, reference, told, allowed, outcome)
    return None


def _apart(told: Tensor, ids: Sequence[int], k: int) -> float | None:
    """Return how far below the best id of the reference stands the one that was chosen."""
    return float(told.max() - told[ids[k]]) if k < len(ids) and ids[k] < len(told) else None


def _text(
    subject: Subject, at: int, text: str, reference: Reply, told: Tensor, allowed: float, outcome: Outcome
) -> Difference | None:
    """Return the difference of a text, at the first id of the reference whose text is another; a tie is none."""
    assert reference.ids is not None
    decode = subject.model.tokenizer.decode
    starts = (k for k in range(len(reference.ids)) if not text.startswith(decode(reference.ids[: k + 1], True)))
    k = next(starts, len(reference.ids))
    margin = _margin(told[min(k, len(told) - 1)])
    if margin <= 2 * allowed:
        outcome.ties += 1
        return None
    return Difference(at, "new text", k, reference.text, text, None, None, margin)
