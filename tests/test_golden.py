"""Golden losses: twenty steps of two tiny models, as they were when the numbers were written down.

A refactor that changes none of the mathematics leaves them alone, within 1e-5. They belong to a torch version, whose
sums and random numbers they carry. When the mathematics is meant to change, or for a new torch, write them anew and
say in LOG.md why:

    .venv/bin/python tests/test_golden.py
"""

import json
import tempfile
from pathlib import Path

import pytest
import torch

import tiny
from trivium.train.loop import train

FILE = Path(__file__).with_name("golden.json")
TOLERANCE = 1e-5
STEPS = 20
VERSION = ".".join(torch.__version__.split(".")[:2])
LENGTHS = [40, 7, 63, 18, 25, 90, 11, 33, 52, 14, 29, 71]
RUNS = {"llama": {"tree": {"decoder": {"kv_heads": 1}}}, "gpt2": {"dropout": 0.1, "attention_dropout": 0.1}}


def losses(preset: str, folder: Path) -> list[float]:
    """The loss of every step: packed rows, accumulation, warm-up, decay and clipping take part."""
    data = tiny.write_corpus(folder / "data", tiny.documents(LENGTHS))
    loader = tiny.loader(tiny.document_rows(data, length=32), step_rows=4, micro_rows=3)
    recipe = tiny.recipe(schedule={"kind": "cosine", "warmup_steps": 4}, clip=0.5)
    train(tiny.model(preset, **RUNS[preset]), loader, recipe, STEPS, folder)
    return [json.loads(line)["loss"] for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("preset", sorted(RUNS))
def test_losses_are_those_that_were_written_down(preset, tmp_path):
    golden = json.loads(FILE.read_text())
    if VERSION not in golden:
        pytest.skip(f"no golden losses for torch {VERSION}; `python tests/test_golden.py` writes them")
    assert losses(preset, tmp_path) == pytest.approx(golden[VERSION][preset], rel=TOLERANCE)


@pytest.mark.parametrize("preset", sorted(RUNS))
def test_the_golden_losses_are_of_a_model_that_learns(preset):
    for run in json.loads(FILE.read_text()).values():
        assert len(run[preset]) == STEPS and run[preset][-1] < run[preset][0] - 0.4


def write() -> None:
    """Write down the losses of this torch version beside those of others."""
    torch.set_num_threads(1)
    golden = json.loads(FILE.read_text()) if FILE.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        golden[VERSION] = {preset: losses(preset, Path(folder, preset)) for preset in RUNS}
    FILE.write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    write()
