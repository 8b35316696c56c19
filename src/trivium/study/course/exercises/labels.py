"""The label mask of fine-tuning: which next tokens cost."""

from collections.abc import Sequence

from trivium.base.types import IGNORE, Segment
from trivium.objective.instruct import Instruct
from trivium.study.course.exercise import Case, Exercise

TEXT = '''def labels(ids, trained):
    """Return the target of each place: the id after it where that id is trained, else -100; a list as long as ids.

    ids are the tokens of a conversation, trained has True where a token belongs to an answer. Place t predicts token
    t + 1, so the last place has no target.

        labels([7, 8, 9], [False, True, True]) == [8, 9, -100]
    """
    raise NotImplementedError
'''


def cases() -> list[Case]:
    """Return conversations with one answer, with two, and without any."""
    return [
        ([7, 8, 9], [False, True, True]),
        ([5, 6, 7, 8, 9, 10], [False, False, True, True, False, True]),
        ([3, 4, 5], [True, True, False]),
        ([3, 4], [False, False]),
    ]


def ours(ids: Sequence[int], trained: Sequence[bool]) -> list[int]:
    """Return the targets of our objective."""
    segments = [Segment((one,), train) for one, train in zip(ids, trained, strict=True)]
    return [int(target) for target in Instruct().dialogue(segments).targets["token"]]


def kept(targets: Sequence[int], mask: Sequence[bool], ignore: int = IGNORE) -> list[int]:
    """Return targets where a mask is True."""
    return [target if keep else ignore for target, keep in zip(targets, mask, strict=True)]


MISTAKES = [
    ("labels are not moved: place t predicts token t + 1, not itself", lambda ids, on: kept(ids, on)),
    (
        "the mask is not moved with the labels: what counts is whether the token after a place is trained",
        lambda ids, on: kept([*ids[1:], IGNORE], [*on[:-1], False]),
    ),
    (
        "the last place predicts the first token: it has no next token, so its target is -100",
        lambda ids, on: kept([*ids[1:], ids[0]], [*on[1:], on[0]]),
    ),
    (
        "labels are moved the wrong way: place t predicts token t - 1",
        lambda ids, on: kept([IGNORE, *ids[:-1]], [False, *on[:-1]]),
    ),
    ("every token is trained; those of a question cost nothing", lambda ids, on: [*ids[1:], IGNORE]),
    (
        "the mask is turned round: questions are trained, answers are not",
        lambda ids, on: kept([*ids[1:], IGNORE], [not one for one in [*on[1:], True]]),
    ),
    ("places without a target are 0; 0 is a token, use -100", lambda ids, on: kept([*ids[1:], 0], [*on[1:], False], 0)),
    ("the last place is missing: the list must be as long as ids", lambda ids, on: kept(ids[1:], on[1:])),
]

EXERCISE = Exercise("labels", TEXT, cases, ours, MISTAKES)
