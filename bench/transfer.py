"""Whether a learning rate found at one width serves at another: with the rates of `mup`, and without.

    trivium prepare SOURCE -o data/ablate --vocab-size 2048 --valid-share 0.006
    python bench/transfer.py data/ablate [--out runs/transfer] [--widths 64 128 256] [override ...]

The recipe is recipes/ablate.toml with two layers, heads of 32 and the overrides. Each width is trained with every rate
of a grid, to the end of its schedule. Every run is a run folder with a result.json, so the same command goes on where
it was stopped; the table is kept in bench/results/transfer.json. The best rate of a width is that with the lowest
held-out loss; one at the edge of a grid is told.
"""

import argparse
import math
from datetime import date
from pathlib import Path
from typing import Any

import tokens

from trivium.base.files import write_json
from trivium.base.log import columns, say

KEPT = Path(__file__).parent / "results" / "transfer.json"
BASE = 64
INITS = {"scaled": ["model.init=scaled"], "mup": ["model.init=mup", f"model.init.base_size={BASE}"]}
"""The overrides of each choice; at the width BASE they are the same."""
RATES = [1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2]
STEPS, HEAD = 80, 32
SHAPE = ["model.decoder.layers=2", "batch_tokens=1024", "data.length=128", f"budget_steps={STEPS}"]


def sweep(name: str, width: int, given: argparse.Namespace) -> dict[str, Any]:
    """Return the held-out loss of one choice at one width with each rate, and the best rate."""
    heads = [f"model.decoder.{key}={width // HEAD}" for key in ("heads", "kv_heads")]
    size = [f"data.path={given.data}", *SHAPE, f"model.hidden_size={width}", *heads]
    folder = given.out / ("scaled" if width == BASE else name) / str(width)
    best, found = tokens.tuned([*size, *INITS[name], *given.overrides], given.rates, folder)
    return {"best": best, "losses": {rate: None if math.isinf(loss) else loss for rate, loss in found.items()}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("overrides", nargs="*")
    parser.add_argument("--out", type=Path, default=Path("runs/transfer"))
    parser.add_argument("--widths", type=int, nargs="+", default=[64, 128, 256])
    parser.add_argument("--rates", type=float, nargs="+", default=RATES)
    given = parser.parse_intermixed_args()
    report = {name: {str(width): sweep(name, width, given) for width in given.widths} for name in INITS}
    rows = [("init", "width", *(f"{rate:g}" for rate in given.rates), "best")]
    for name, widths in report.items():
        for width, one in widths.items():
            losses = ("diverged" if loss is None else f"{loss:.3f}" for loss in one["losses"].values())
            rows.append((name, width, *losses, f"{one['best']:g}"))
    for line in columns(rows):
        say(line)
    write_json(KEPT, {"date": str(date.today()), "overrides": [*SHAPE, *given.overrides], "inits": report})


if __name__ == "__main__":
    main()
