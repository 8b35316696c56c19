"""The server is asked as clients ask it, at a port of the loopback."""

import pytest

from certified import outcomes
from trivium.base.errors import TriviumError
from trivium.study.verify.stages import http
from trivium.study.verify.subject import Reply, Subject


def test_completions_are_those_of_generate(subject: Subject) -> None:
    found, name = http.replies(subject), subject.model.name
    assert [reply.text for reply in found] == subject.model.generate(subject.texts, max_new_tokens=8)
    assert all(reply.chances is not None and len(reply.chances) == 8 for reply in found)
    assert all(outcome.difference is None for outcome in outcomes(subject, found))
    assert subject.model.name == name, "a served model has another name for a while"


def test_another_text_is_a_difference_and_an_error_a_line(subject: Subject) -> None:
    text = subject.expected[1].text or ""
    found = outcomes(subject, [Reply(text=subject.expected[0].text), Reply(text=text[:-1] + "?")])
    assert found[0].difference is None
    assert found[1].difference is not None and found[1].difference.what == "new text"
    with http.serving(subject) as ask, pytest.raises(TriviumError, match=r"/v1/nothing: 404"):
        ask("/v1/nothing", {})
