"""The cache, one id at a time, has the logits of the whole text."""

import pytest

from certified import outcomes
from trivium.base.batch import Stream
from trivium.study.verify.stages import cached
from trivium.study.verify.subject import Subject


def test_each_place_has_its_logits(subject: Subject) -> None:
    found = cached.replies(subject)
    assert [reply.ids for reply in found] == [reply.ids for reply in subject.expected]
    assert all(
        reply.logits is not None and len(reply.logits) == len(read) + 8
        for reply, read in zip(found, subject.read, strict=True)
    )
    assert all(outcome.difference is None and outcome.off < 1e-4 for outcome in outcomes(subject, found))


def test_wrong_positions_are_found(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cached, "Stream", lambda ids, places, *rest, **more: Stream(ids, 2 * places, *rest, **more))
    found = outcomes(subject, cached.replies(subject))[0].difference
    assert found is not None and found.what == "logits" and found.token == 1, "the first place with a place before it"
    assert found.off is not None and found.allowed is not None and found.off > found.allowed
    assert found.margin is not None and found.margin > 0
