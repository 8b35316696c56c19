"""Folders of random models in which nothing is a default, so that what they write changes from token to token."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import small
import trivium
from trivium.study.verify import trainer
from trivium.study.verify.stage import stages
from trivium.study.verify.subject import Subject
from trivium.study.verify.texts import TEXTS


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a LLaMA; a test that changes it copies it."""
    return small.noisy(small.model("llama", context=128)).save(tmp_path_factory.mktemp("llama") / "model")


@pytest.fixture
def folder(llama: Path, tmp_path: Path) -> Path:
    """A copy of the folder."""
    return Path(shutil.copytree(llama, tmp_path / "model"))


@pytest.fixture
def stages_of(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A function that leaves only some stages, because a test needs no others."""

    def only(*names: str) -> None:
        kept = [stage for stage in stages() if stage.name in names]
        assert len(kept) == len(names)
        monkeypatch.setattr("trivium.study.verify.certificate.stages", lambda: kept)

    yield only


@pytest.fixture
def subject(llama: Path) -> Subject:
    """The LLaMA with three texts, and what the trainer's forward says about them."""
    made = Subject(llama, trivium.load(llama), list(TEXTS[:3]), new_tokens=8)
    made.expected = trainer.replies(made)
    return made
