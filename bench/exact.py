"""Of 1,000 random requests, how many get other ids beside other rows, in other pieces, or after a prefix?

    python bench/exact.py [MODEL] [--requests 1000] [--json bench/results/exact.json]

Each request is written alone, among 31 others, and again with a prefix cache that is cold, then warm. The modes are
exact (float32), float32 and bfloat16. Without MODEL it is a decoder of LLaMA's block with random weights, whose
next ids are close calls: a trained model has fewer.
"""

import argparse
import json
import platform
import random
from datetime import date

import torch

import trivium
from trivium.infer.engine import InferenceEngine
from trivium.infer.row import Row
from trivium.infer.sampling import Sampling
from trivium.model.transformer import Transformer

MEMORY = 2 << 30


def requests(model: Transformer, count: int) -> list[Row]:
    """Return rows of 1 to 150 ids, half of them with a common beginning, half of them sampled."""
    draw, size, made = random.Random(0), model.config.vocab_size, []
    shared = [[draw.randrange(size) for _ in range(100)] for _ in range(8)]
    for number in range(count):
        ids = draw.choice(shared)[: draw.choice([0, draw.randrange(100)])]
        ids = [*ids, *(draw.randrange(size) for _ in range(draw.randrange(1, 50)))]
        sampling = Sampling(temperature=draw.choice([0.0, 1.0]), seed=number)
        made.append(
            Row(ids, None, sampling, sampling.generators(1)[0], draw.randrange(1, 33), limit=model.config.limit)
        )
    return made


def write(engine: InferenceEngine, rows: list[Row], beside: int) -> list[list[int]]:
    """Write rows, at most `beside` at a time; return their ids."""
    waiting = iter(rows)
    live: list[Row] = []
    while True:
        live = [row for row in live if row.reason is None]
        while len(live) < beside and (row := next(waiting, None)) is not None:
            engine.submit(row)
            live.append(row)
        if not live:
            return [row.ids for row in rows]
        engine.step()


def differences(model: Transformer, count: int, exact: bool) -> dict[str, int]:
    """Return how many requests get other ids than alone, by case."""
    alone = [write(InferenceEngine(model, exact=exact), [row], 1)[0] for row in requests(model, count)]
    warm = InferenceEngine(model, MEMORY, exact)
    cases = {
        "among 31 others": write(InferenceEngine(model, 0, exact), requests(model, count), 32),
        "cold prefixes": write(warm, requests(model, count), 1),
        "warm prefixes, among 31 others": write(warm, requests(model, count), 32),
    }
    return {case: sum(a != b for a, b in zip(alone, found, strict=True)) for case, found in cases.items()}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model", nargs="?")
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--json")
    given = parser.parse_args()
    torch.manual_seed(0)
    shape = {"layers": 4, "hidden_size": 128, "heads": 4, "kv_heads": 2, "vocab_size": 1024, "context": 256}
    model = (trivium.load(given.model) if given.model else trivium.build("llama", **shape)).transformer
    result: dict[str, object] = {"date": str(date.today()), "cpu": platform.processor(), "torch": torch.__version__}
    result |= {"model": given.model or shape, "requests": given.requests, "threads": torch.get_num_threads()}
    for mode, dtype, exact in (
        ("exact", torch.float32, True),
        ("float32", torch.float32, False),
        ("bfloat16", torch.bfloat16, False),
    ):
        result[mode] = differences(model.to(dtype), given.requests, exact)
        print(f"{mode:<9} " + "   ".join(f"{case}: {n}" for case, n in result[mode].items()), flush=True)
    if given.json:
        with open(given.json, "w") as file:
            json.dump(result, file, indent=1)


if __name__ == "__main__":
    main()
