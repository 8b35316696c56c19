"""The second tour runs, and prints what differs between the families."""

import subprocess
import sys
from pathlib import Path

TOUR = Path(__file__).parents[2] / "tours" / "2_three_families.py"


def test_it_shows_masks_stacks_and_objectives() -> None:
    done = subprocess.run([sys.executable, str(TOUR)], capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    pages = done.stdout.split("=" * 100)[1:]
    assert [page.split(":")[0].strip() for page in pages] == ["bert", "llama", "t5"]
    assert "■ · · · · · · ·" not in pages[0] and "■ · · · · · · ·" in pages[1]
    assert "encoder sees itself" in pages[2] and "decoder sees itself" in pages[2]
    for page, kind in zip(pages, ("masked", "causal", "denoise"), strict=True):
        assert f"objective {kind}" in page
        first, last = (float(word) for word in page.split("loss ")[-1].split()[:3:2])
        assert last < first - 0.5
