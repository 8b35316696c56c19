"""How soon a small decoder looks at its encoder: the loss of writing down random symbols that the encoder reads.

    python bench/looking.py [--rate 1e-3] [--steps 400] [--seeds 2] [override of the model ...]

For example `init.copies=true`, `init=normal`, or `preset=t5 init=fan_in`. A text is 24 symbols of 32, drawn by Zipf's
law without any order, and the source has spans of it masked, as in BART. So whoever does not look pays the entropy that
is printed first. A BART of 2 + 2 blocks of width 64; losses are means of 20 steps, every 50 steps.
"""

import argparse
import time

import numpy as np
import torch

from trivium.base.batch import collate
from trivium.base.config import override, parse
from trivium.base.seeds import generator
from trivium.base.types import Vocabulary
from trivium.model.config import ModelConfig
from trivium.model.device import place
from trivium.model.transformer import Transformer
from trivium.objective.infill import TextInfilling
from trivium.train.loss.token import TokenLoss
from trivium.train.optim.adamw import AdamW
from trivium.train.schedule import WSD

LENGTH, SYMBOLS, ROWS, EVERY = 24, 32, 16, 50
VOCABULARY = Vocabulary(size=64, pad=0, bos=1, eos=2, mask=3, special=frozenset({0, 1, 2, 3}))
SHARES = 1 / (np.arange(SYMBOLS) + 2.7)
SHARES /= SHARES.sum()
MODEL = {"preset": "bart", "depth": 2, "hidden_size": 64, "context": 64, "vocab_size": 64, "init": "scaled"}
HEADS = {"encoder": {"heads": 4}, "decoder": {"heads": 4}}


def losses(config: ModelConfig, rate: float, steps: int, seed: int) -> list[float]:
    """Return the loss in nats per token over the training of one model."""
    torch.manual_seed(seed)
    model, draw, objective = Transformer(config).train(), generator(seed), TextInfilling(permute=False)
    schedule, optimizer, found = WSD(warmup_steps=50), AdamW(lr=rate).build(model), []
    for step in range(steps):
        texts = draw.choice(np.arange(8, 8 + SYMBOLS), (ROWS, LENGTH), p=SHARES)
        rows = [[objective.piece(np.r_[1, ids, 2], None, VOCABULARY, draw)] for ids in texts]
        batch = place(collate(rows, pad=0))
        total, each, _ = TokenLoss()(model.head, model(batch), batch)
        (total / len(each)).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = rate * schedule.factor(step, steps) * group.get("lr_scale", 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        found.append(float(total.detach()) / len(each))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overrides", nargs="*")
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seeds", type=int, default=2)
    given = parser.parse_intermixed_args()
    config = parse(ModelConfig, override({**MODEL, **HEADS}, given.overrides), "looking")
    entropy = -float((SHARES * np.log(SHARES)).sum()) * LENGTH / (LENGTH + 2)
    print(f"{entropy:.2f} nats without looking; {' '.join(given.overrides)}, rate {given.rate:g}")
    for seed in range(given.seeds):
        began = time.process_time()
        found = losses(config, given.rate, given.steps, seed)
        means = [np.mean(found[at - 20 : at]) for at in range(EVERY, given.steps + 1, EVERY)]
        print(f"seed {seed}: {' '.join(f'{mean:.2f}' for mean in means)} ({time.process_time() - began:.0f} s)")


if __name__ == "__main__":
    main()
