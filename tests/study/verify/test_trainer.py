"""The reference does not depend on what drafts it."""

import pytest

from trivium.infer.request import Completion, Request
from trivium.study.verify import trainer
from trivium.study.verify.subject import Subject


def test_a_wrong_draft_is_corrected(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(_: object, request: Request) -> list[Completion]:
        return [Completion([7] * (3 + at), "length") for at in range(len(request.prompts))]

    monkeypatch.setattr(trainer, "generate", wrong)
    found = trainer.replies(subject)
    assert [reply.ids for reply in found] == [reply.ids for reply in subject.expected]
    assert all(reply.ids and 7 not in reply.ids for reply in found)
