"""A data folder of bytes and a recipe that trains on it in seconds."""

from pathlib import Path

import pytest

from trivium.corpus.prepare import Preparation, prepare

RECIPE = """
batch_tokens = 128
budget_steps = 6
save_every_steps = 2
precision = "fp32"
[data]
path = "data"
length = 32
[model]
preset = "llama"
depth = 1
context = 64
tie = true
"""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a data folder of bytes and a recipe."""
    folder = tmp_path_factory.mktemp("ablate")
    (folder / "text").mkdir()
    for name in "abcdefgh":
        (folder / "text" / f"{name}.txt").write_text(f"The {name} fox jumps over the lazy {name} dog.\n" * 40)
    prepare([folder / "text"], folder / "data", Preparation(tokenizer="bytes", near=None, valid_share=0.3))
    (folder / "r.toml").write_text(RECIPE.replace('"data"', f'"{folder / "data"}"'))
    return folder
