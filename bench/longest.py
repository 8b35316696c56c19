"""Whether one long run of letters slows the training of a tokenizer: the time with a run of DNA and without.

    python bench/longest.py [SOURCE ...] [--megabytes 20] [--letters 1000000] [--rounds 3] [--vocab-size 8192]

CPU seconds of one thread, the sides in turn, the least of all rounds. `results/longest.json` has them and the ratio.
"""

import argparse
import os
import platform
import random
import time
from datetime import date
from pathlib import Path

os.environ.setdefault("RAYON_NUM_THREADS", "1")

from trivium.base.files import write_json
from trivium.corpus.read.sources import read
from trivium.token.tokenizer import Tokenizer


def gather(sources: list[str], megabytes: float) -> list[str]:
    """Return about so many megabytes of text, the documents from the beginning."""
    texts: list[str] = []
    size = 0
    for document in read(sources):
        texts.append(document.text)
        size += len(document.text.encode("utf-8", "replace"))
        if size >= megabytes * 1e6:
            break
    return texts


def main() -> None:
    """Measure both sides, print and write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="*", default=["embedded"])
    parser.add_argument("--megabytes", type=float, default=20.0)
    parser.add_argument("--letters", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--vocab-size", type=int, default=8192)
    options = parser.parse_args()
    texts = gather(options.sources, options.megabytes)
    dna = "".join(random.Random(0).choices("ACGT", k=options.letters))
    seconds: dict[str, list[float]] = {"without": [], "with": []}
    for _ in range(options.rounds):
        for side, found in seconds.items():
            start = time.process_time()
            Tokenizer.train([*texts, dna] if side == "with" else texts, options.vocab_size)
            found.append(round(time.process_time() - start, 2))
    least = {side: min(found) for side, found in seconds.items()}
    result = {
        "date": date.today().isoformat(),
        "machine": platform.machine(),
        "megabytes": round(sum(len(text.encode("utf-8", "replace")) for text in texts) / 1e6, 1),
        "letters": options.letters,
        "cpu_seconds": least,
        "ratio": round(least["with"] / least["without"], 3),
        "all": seconds,
    }
    print(result)
    write_json(Path(__file__).parent / "results" / "longest.json", result)


if __name__ == "__main__":
    main()
