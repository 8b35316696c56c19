"""What every test stands on: one thread per process, and marks that say why they skip."""

import json
import os
import signal

import pytest

# Torch and BLAS read these when they are imported, which is later: tests run side by side, and no sum may depend on
# how many threads a process got.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
os.environ["HF_HUB_OFFLINE"] = "1"  # libraries that ask a network first would wait for its silence
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup ignores it, and a run that begins so does too


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip heavy proofs nobody asked for, and GPU tests where there is none; torch is imported by the latter only."""
    if item.get_closest_marker("slow") and "slow" not in item.config.getoption("markexpr"):
        pytest.skip("a heavy proof: run it with `make slow`")
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA device, and torch sees none")


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """A small data folder of 24 texts, a fifth of them held out."""
    from runs import LINES
    from trivium.corpus.prepare import Preparation, prepare

    folder = tmp_path_factory.mktemp("task")
    for number in range(24):
        text = "\n".join(LINES[(number + i) % 3] + f" {number * i}" for i in range(3))
        (folder / f"{number:02d}.txt").write_text(text)
    prepare([folder], folder / "data", Preparation(tokenizer="bytes", near=None, valid_share=0.2))
    return folder / "data"


@pytest.fixture(scope="session")
def questions(tmp_path_factory):
    """A file of rows of questions."""
    file = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    rows = [{"question": f"What is {n}?", "context": "", "answer": f"A number, {n}."} for n in range(12)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file
