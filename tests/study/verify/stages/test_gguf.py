"""llama.cpp with the exported file says the same; a wrong theta and a wrong tokenizer are told apart."""

from pathlib import Path
from typing import Any

import pytest

from certified import SHORT, tells_apart
from trivium.base.errors import ModelError
from trivium.interop import gguf, hub
from trivium.study.verify.certificate import certify


@pytest.mark.slow
def test_llama_cpp_is_compared(folder: Path, tmp_path: Path, stages_of: Any) -> None:
    pytest.importorskip("xllamacpp", reason="xllamacpp is llama.cpp")
    made = hub.load(folder)
    stages_of("stock transformers", "llama.cpp")
    tells_apart("llama.cpp", folder, gguf=gguf.write(tmp_path / "m.gguf", made))


def test_a_file_that_is_not_there_is_one_line(folder: Path) -> None:
    with pytest.raises(ModelError, match=r"--gguf no.gguf: no such file"):
        certify(folder, gguf=Path("no.gguf"), **SHORT)
