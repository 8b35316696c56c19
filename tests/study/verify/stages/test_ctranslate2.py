"""CTranslate2 with the exported folder says the same; a wrong theta and a wrong tokenizer are told apart."""

from pathlib import Path
from typing import Any

import pytest

import small
from certified import SHORT, tells_apart, verdicts
from small import noisy
from trivium.base.errors import ModelError
from trivium.interop import ctranslate2, hub
from trivium.study.verify.certificate import certify


@pytest.mark.slow
def test_ctranslate2_is_compared(folder: Path, tmp_path: Path, stages_of: Any) -> None:
    pytest.importorskip("ctranslate2", reason="CTranslate2 is the stage")
    made = hub.load(folder)
    stages_of("stock transformers", "CTranslate2")
    tells_apart("CTranslate2", folder, ctranslate2=ctranslate2.write(tmp_path / "ct2", made))


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["bert", "t5"])
def test_other_families(preset: str, tmp_path: Path, stages_of: Any) -> None:
    pytest.importorskip("ctranslate2", reason="CTranslate2 is the stage")
    made = noisy(small.model(preset))
    made.start = 0 if preset == "t5" else None
    path = made.save(tmp_path / "model")
    stages_of("CTranslate2")
    found = certify(path, ctranslate2=ctranslate2.write(tmp_path / "ct2", hub.load(path)), **SHORT)
    assert verdicts(found) == {"hashes": "same", "CTranslate2": "same"}


def test_a_folder_that_is_not_there_is_one_line(folder: Path) -> None:
    with pytest.raises(ModelError, match=r"--ctranslate2 no: no such file or folder"):
        certify(folder, ctranslate2=Path("no"), **SHORT)
