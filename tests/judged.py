"""A learner's file, judged in this process: what the hint is, or None where it is right."""

from typing import Any

from trivium.study.course.attempt import lively, plain
from trivium.study.course.exercise import exercise
from trivium.study.course.judge import verdict


def hint(name: str, source: str, *changes: tuple[str, str]) -> str | None:
    """The hint for a file, in which pieces are exchanged first; a piece that is not there is a mistake of the test."""
    for before, after in changes:
        assert before in source, before
        source = source.replace(before, after)
    one, names = exercise(name), dict[str, Any]()
    exec(source, names)
    return verdict(one, [lively(plain(names[one.function](*case))) for case in one.cases()])


def every_mistake_is_told_apart(name: str) -> None:
    """Each wrong way of an exercise gets its own hint, and our own way none."""
    one = exercise(name)
    assert verdict(one, [one.ours(*case) for case in one.cases()]) is None
    for told, mistake in one.mistakes:
        found = verdict(one, [mistake(*case) for case in one.cases()])
        assert found == told, f"{told} is told as {found}"
