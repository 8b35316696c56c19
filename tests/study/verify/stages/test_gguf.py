"""llama.cpp with the exported file says the same; a wrong theta and a wrong tokenizer are told apart."""

import json
from pathlib import Path
from typing import Any

import pytest

from certified import SHORT, first, theta, verdicts
from trivium.base.errors import ModelError
from trivium.interop import gguf, hub
from trivium.study.verify.certificate import certify


@pytest.mark.slow
def test_llama_cpp_is_compared(folder: Path, tmp_path: Path, stages_of: Any) -> None:
    pytest.importorskip("xllamacpp", reason="xllamacpp is llama.cpp")
    made = hub.load(folder)
    other: dict[str, Any] = {"gguf": gguf.write(tmp_path / "m.gguf", made)}
    stages_of("stock transformers", "llama.cpp")
    assert set(verdicts(certify(folder, **SHORT, **other)).values()) == {"same"}
    for name in ("parity.json", "trivium.json"):
        (folder / name).unlink()
    config = (folder / "config.json").read_text()
    theta(folder, 500.0)
    found = first(certify(folder, **SHORT, **other))
    assert found.stage == "llama.cpp", "the stock class reads the same wrong file"
    assert "off by" in found.about and "the best two are" in found.about
    (folder / "parity.json").unlink()
    (folder / "config.json").write_text(config)
    tree = json.loads((folder / "tokenizer.json").read_text())
    table = tree["model"]["vocab"]
    table["a"], table["b"] = table["b"], table["a"]
    (folder / "tokenizer.json").write_text(json.dumps(tree))
    found = first(certify(folder, **SHORT, **other))
    assert found.stage == "llama.cpp" and "ids read, token" in found.about


def test_a_file_that_is_not_there_is_one_line(folder: Path) -> None:
    with pytest.raises(ModelError, match=r"--gguf no.gguf: no such file"):
        certify(folder, gguf=Path("no.gguf"), **SHORT)
