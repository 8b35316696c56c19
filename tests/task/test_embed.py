"""Lines of a file become rows of a .npy, the vectors that the model gives them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from trivium import api
from trivium.base.errors import ConfigError, DataError
from trivium.task.embed import embed_lines
from trivium.token.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    built = api.build("modernbert", depth=1, vocab_size=384, context=64)
    return api.Model(built.transformer, Tokenizer.bytes()).save(tmp_path_factory.mktemp("embed") / "m")


def test_each_line_has_its_vector(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n\ntwo words\n")
    assert embed_lines(folder, tmp_path / "a.txt", tmp_path / "v.npy") == (2, 64)
    found = np.load(tmp_path / "v.npy")
    assert np.allclose(found, api.load(folder).embed(["one", "two words"]).numpy(), atol=1e-6)
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_only_line_ends_end_a_line(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = ["one\u2028still one", "two\fstill two", "three\u0085still three", "four\vstill", "five"]
    (tmp_path / "a.txt").write_bytes("\r\n".join([*lines[:3], "", *lines[3:]]).encode())
    assert embed_lines(folder, tmp_path / "a.txt", tmp_path / "v.npy") == (5, 64)
    assert np.allclose(np.load(tmp_path / "v.npy"), api.load(folder).embed(lines).numpy(), atol=1e-6)
    assert "a.txt: blank line, without a vector\n" in capsys.readouterr().out
    with pytest.raises(DataError, match=r"b\.txt: line 1: expected UTF-8"):
        (tmp_path / "b.txt").write_bytes(b"caf\xe9")
        embed_lines(folder, tmp_path / "b.txt", tmp_path / "v.npy")


def test_a_file_without_lines_is_an_error(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("\n\n")
    with pytest.raises(DataError, match="found none"):
        embed_lines(folder, tmp_path / "a.txt", tmp_path / "v.npy")
    assert not (tmp_path / "v.npy").exists()


def test_vectors_are_written_as_npy_alone(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"v\.csv: .* a name that ends in \.npy"):
        embed_lines("no model", tmp_path / "a.txt", tmp_path / "v.csv")
