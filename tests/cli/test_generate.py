"""`trivium generate`: what it imports, and the options of the engine."""

import subprocess
import sys
from pathlib import Path

import pytest

import small

HEAVY = {"torch._dynamo", "sympy", "matplotlib", "transformers", "huggingface_hub", "datasets", "ftfy", "sentencex"}
"""What the first word does not wait for."""


@pytest.mark.parametrize("preset", ["llama", "t5"])
def test_the_first_word_waits_for_no_library_that_it_does_not_need(preset: str, tmp_path: Path) -> None:
    words = ["generate", str(small.folder(tmp_path, preset)), "--prompt", "a", "--max-new-tokens", "2"]
    code = f"import sys\nfrom trivium.cli import run\nassert not run({words})\n"
    code += f"sys.exit(' '.join({HEAVY} & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
