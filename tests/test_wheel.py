"""The wheel is the product: it holds recipes, tours and types, and works alone from another folder.

Each test here builds it with pip, which fetches the build backend; the libraries are those of this environment.
"""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this tree."""
    folder = tmp_path_factory.mktemp("wheel")
    words = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    return next(folder.glob("trivium-*.whl"))


def test_the_wheel_holds_what_the_tree_has(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    kinds, source = {".py", ".html", ".css", ".js"}, ROOT / "src" / "trivium"
    sources = {f"trivium/{path.relative_to(source)}" for path in source.rglob("*") if path.suffix in kinds}
    more = {
        f"trivium/{path.relative_to(ROOT)}"
        for folder in ("recipes", "tours", "learn")
        for path in (ROOT / folder).rglob("*.*")
        if "__pycache__" not in path.parts
    }
    assert names - {name for name in names if ".dist-info/" in name} == sources | more | {"trivium/py.typed"}


def test_the_wheel_alone_goes_from_text_to_a_chat(wheel: Path, tmp_path: Path) -> None:
    """As a person has it: no source tree beside, another folder, the recipes copied first."""
    site, here = tmp_path / "site", tmp_path / "here"
    zipfile.ZipFile(wheel).extractall(site)
    (here / "text").mkdir(parents=True)
    for name in "abcdefgh":
        (here / "text" / f"{name}.txt").write_text(f"The {name} fox jumps over the lazy {name} dog.\n" * 40)

    def trivium(*words: str, given: str = "") -> str:
        env = {**os.environ, "PYTHONPATH": str(site)}
        command = [sys.executable, "-m", "trivium", *words]
        done = subprocess.run(command, cwd=here, env=env, input=given, capture_output=True, text=True, timeout=280)
        assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    assert "recipes/llama-tiny.toml" in trivium("recipes")
    trivium("recipes", "-o", ".")
    trivium("prepare", "text", "-o", "data/mine", "--tokenizer", "bytes", "--no-near", "--valid-share", "0.3")
    small = ["data.path=data/mine", "data.length=32", "batch_tokens=128", "budget_tokens=384", "model.hidden_size=64"]
    assert "parameters" in trivium("show", "recipes/llama-tiny.toml", *small)
    trivium("train", "recipes/llama-tiny.toml", *small)
    assert trivium("chat", "runs/llama-tiny/model", "--max-new-tokens", "3", given="hi\n")
    code = "import trivium, sys; sys.exit(not trivium.__file__.startswith(sys.argv[1]))"
    subprocess.run(
        [sys.executable, "-c", code, str(site)], cwd=here, env={**os.environ, "PYTHONPATH": str(site)}, check=True
    )
    tour = [sys.executable, "tours/3_attention.py"]
    subprocess.run(tour, cwd=here, env={**os.environ, "PYTHONPATH": str(site)}, check=True, capture_output=True)
