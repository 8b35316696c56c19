"""A difference is told with its place, its size and the margin; a tie is none."""

import torch

from trivium.study.verify.difference import compare
from trivium.study.verify.subject import Reply, Subject


def other(subject: Subject, lead: float) -> tuple[Reply, Reply]:
    """The reference of text 0 with a second id that is `lead` behind at the third new place, and who takes it."""
    expected = subject.expected[0]
    assert expected.ids is not None and expected.logits is not None
    logits, at = expected.logits.clone(), len(subject.prompt(0)) + 1
    second = int(logits[at].topk(2).indices[1])
    logits[at, second] = logits[at, expected.ids[2]] - lead
    return Reply(ids=expected.ids, logits=logits), Reply(ids=[*expected.ids[:2], second])


def test_a_tie_is_no_difference_and_a_lead_is(subject: Subject) -> None:
    reference, reply = other(subject, 1e-5)
    found = compare(subject, 0, reply, reference, 1e-4)
    assert found.difference is None and (found.ties, found.tokens) == (1, 2)
    reference, reply = other(subject, 0.5)
    difference = compare(subject, 0, reply, reference, 1e-4).difference
    assert difference is not None and (difference.what, difference.token) == ("new ids", 2)
    assert difference.margin is not None and abs(difference.margin - 0.5) < 1e-5
    line = difference.line(subject)
    assert line.startswith("text 0 ('Once upon a time") and "new ids, token 2; expected" in line
    assert "off by 0.5, allowed 0.0" in line and line.endswith("the best two are 0.5 apart")


def test_each_kind_of_number_is_compared(subject: Subject) -> None:
    expected = subject.expected[0]
    assert expected.logits is not None and expected.ids is not None
    wrong = expected.logits.clone()
    wrong[4] += 1.0
    found = compare(subject, 0, Reply(logits=wrong), expected, 1e-4).difference
    assert found is not None and (found.what, found.token) == ("logits", 4) and abs((found.off or 0) - 1) < 1e-5
    wrong[4] = torch.nan
    assert compare(subject, 0, Reply(logits=wrong), expected, 1e-4).difference is not None
    chance = [{expected.ids[0]: -99.0}]
    found = compare(subject, 0, Reply(chances=chance), expected, 1e-4).difference
    assert found is not None and found.what.startswith("log-probability of ") and found.token == 0
    found = compare(subject, 0, Reply(read=subject.read[0][:-1]), expected, 1e-4).difference
    assert found is not None and (found.what, found.found) == ("ids read", f"the end after {len(subject.read[0]) - 1}")
