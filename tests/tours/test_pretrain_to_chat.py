"""The fourth tour runs from text to a chat: what it learns is better afterwards, and stock tools say the same."""

import re
import subprocess
import sys
from pathlib import Path

TOUR = Path(__file__).parents[2] / "tours" / "4_pretrain_to_chat.py"


def test_it_goes_from_text_to_answers() -> None:
    done = subprocess.run([sys.executable, str(TOUR), "10", "8"], capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    assert [line[0] for line in done.stdout.splitlines() if re.match(r"\d\. ", line)] == list("123456")
    assert "«Hello.<|end|>»<|user|>What does" in done.stdout, "an earlier answer is learned too"
    assert "there is only the template's" in done.stdout
    before, after = (float(loss) for loss in re.findall(r"loss on the answers ([\d.]+)", done.stdout))
    assert after < before - 1
    assert "which is the same" in done.stdout or "transformers is not installed" in done.stdout
