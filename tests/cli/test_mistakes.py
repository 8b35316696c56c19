"""Hundreds of wrong command lines: exit code 2, one clear line in our own words, nothing written, no long work."""

import re
import time
from pathlib import Path

import pytest

import mistakes
from trivium.cli import run

FOREIGN = re.compile(
    r"Traceback|[Ii]nput should|validation error|pydantic|Invalid value for|Errno|\bNoneType\b|<class "
)
LONGEST_SECONDS = 20.0
LINES = mistakes.every()


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the lines are run."""
    folder = tmp_path_factory.mktemp("mistakes")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return mistakes.places(folder)


def tree(folder: Path) -> list[tuple[str, int]]:
    """Every file with its size; locks and stamps do not count."""
    return sorted(
        (str(path.relative_to(folder)), path.stat().st_size)
        for path in folder.rglob("*")
        if path.name not in (".lock", "lock", ".verified.json")
    )


def wrong(words: list[str], here: Path, capsys: pytest.CaptureFixture[str]) -> str | None:
    """Run a line; return what is wrong with how it ended, or None."""
    before, began = tree(here), time.monotonic()
    capsys.readouterr()
    try:
        code = run(words)
    except BaseException as error:
        return f"raised {type(error).__name__}: {error!s:.200}"
    said = capsys.readouterr().err
    lines = said.splitlines()
    if code != 2:
        return f"exit code {code}"
    if not lines or not lines[-1].startswith("error: ") or sum(line.startswith("error: ") for line in lines) != 1:
        return f"said {said!r:.300}"
    if any(not line.startswith(("error: ", "warning: ")) for line in lines) or FOREIGN.search(said):
        return f"said {said!r:.300}"
    if tree(here) != before:
        return f"wrote {sorted({*tree(here)} ^ {*before})[:4]}"
    seconds = time.monotonic() - began
    return f"took {seconds:.0f} s" if seconds > LONGEST_SECONDS else None


def test_there_are_hundreds_of_lines() -> None:
    assert len(LINES) >= 500


@pytest.mark.parametrize("words", LINES[:: len(LINES) // 40], ids=lambda words: " ".join(words)[:60])
def test_a_wrong_line_is_one_clear_line(words, here, monkeypatch, capsys):  # type: ignore[no-untyped-def]
    monkeypatch.chdir(here)
    assert wrong(words, here, capsys) is None


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_every_wrong_line_is_one_clear_line(here, monkeypatch, capsys):  # type: ignore[no-untyped-def]
    monkeypatch.chdir(here)
    found = {" ".join(words)[:120]: why for words in LINES if (why := wrong(words, here, capsys)) is not None}
    assert not found, f"{len(found)} of {len(LINES)}:\n" + "\n".join(f"{line}: {why}" for line, why in found.items())
