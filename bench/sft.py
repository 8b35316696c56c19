"""Fine-tuning speed in real tokens (without padding) per second: ours beside TRL's SFTTrainer, padded and packed.

    pip install trl
    python bench/sft.py MODEL ROWS.jsonl [--dialogues 192] [--length 512] [--rounds 3]

Both load one model folder of LLaMA's family, and get the same dialogues, rendered once by us; the same rows a step,
AdamW (fused), float32, one epoch. Only training is timed; rendering and planning come before, for both. Seconds are CPU
seconds, so other work on the machine changes them little. Each round runs all four sides in turn; the medians count.
The script also measures whether packed dialogues see each other: it changes every token of the first, and prints the
largest change of the second's scores.
"""

import argparse
import json
import platform
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from trivium import api
from trivium.base.config import parse
from trivium.data.loader import Loader
from trivium.objective.instruct import Instruct
from trivium.rows.supervised import conversation_rows
from trivium.train.loop import train
from trivium.train.recipe import Recipe

ROWS_A_STEP = 16


def our_seconds(model: str, files: list[str], length: int, packing: Any) -> tuple[float, int]:
    """Return the seconds of one epoch, and its real tokens."""
    loaded = api.load(model)
    rows, _ = conversation_rows(files, loaded.tokenizer, Instruct(), length, packing=packing)
    tree = {
        "init": model,
        "objective": "instruct",
        "budget_epochs": 1,
        "precision": "fp32",
        "data": {"path": files, "length": length, "packing": packing},
    }
    recipe = parse(Recipe, tree, "bench")
    loader = Loader(rows, ROWS_A_STEP, ROWS_A_STEP, loaded.tokenizer.vocabulary.pad, samples=rows.size(0))
    steps = -(-rows.size(0) // ROWS_A_STEP)
    tokens = sum(len(example) for index in range(rows.size(0)) for example in rows.row(0, index))
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        train(loaded.transformer.train(), loader, recipe, steps, Path(folder))
        return time.process_time() - start, tokens


def trainer(model: str, files: list[str], length: int, packed: bool) -> tuple[Any, int]:
    """Return TRL's trainer on the same ids and masks, and their number."""
    from datasets import Dataset
    from pyarrow import table
    from transformers import LlamaForCausalLM
    from trl import SFTConfig, SFTTrainer

    from transformers import PreTrainedTokenizerFast  # isort: skip

    loaded = api.load(model)
    rows, _ = conversation_rows(files, loaded.tokenizer, Instruct(), length, packing="pad")
    examples = [rows.row(0, index)[0] for index in range(rows.size(0))]
    columns = {
        "input_ids": [example.dec.tolist() for example in examples],
        # A completion's mask says which ids are labels; ours says which id comes next, so it moves by one.
        "completion_mask": [[0, *(example.targets["token"][:-1] != -100).astype(int).tolist()] for example in examples],
    }
    data = Dataset(table(columns), fingerprint=f"dialogues-{length}")  # a name of its own, for hashing tables can fail
    config = SFTConfig(
        output_dir=tempfile.mkdtemp(),
        per_device_train_batch_size=ROWS_A_STEP if not packed else 1,
        gradient_accumulation_steps=1 if not packed else ROWS_A_STEP,
        num_train_epochs=1,
        max_length=length,
        packing=packed,
        packing_strategy="bfd",
        learning_rate=3e-4,
        optim="adamw_torch_fused",
        save_strategy="no",
        report_to=[],
        use_cpu=not torch.cuda.is_available(),
        bf16=False,
        gradient_checkpointing=False,
        disable_tqdm=True,
        logging_strategy="no",
        completion_only_loss=True,
    )
    return SFTTrainer(
        model=LlamaForCausalLM.from_pretrained(model),
        args=config,
        train_dataset=data,
        processing_class=PreTrainedTokenizerFast.from_pretrained(model),
    ), sum(map(len, examples))


def their_seconds(model: str, files: list[str], length: int, packed: bool) -> tuple[float, int]:
    """Return the seconds of one epoch, and its real tokens."""
    made, tokens = trainer(model, files, length, packed)
    start = time.process_time()
    made.train()
    return time.process_time() - start, tokens


def leak(model: str, files: list[str], length: int) -> float:
    """Return how far the scores of a packed row's second dialogue move if every token of its first changes."""
    made, _ = trainer(model, files, length, packed=True)
    batch = next(batch for batch in made.get_train_dataloader() if (batch["position_ids"][0] == 0).sum() > 1)
    given = {key: batch[key] for key in batch if key in ("input_ids", "position_ids", "attention_mask")}
    second = int((given["position_ids"][0] == 0).nonzero()[1])
    changed = {**given, "input_ids": given["input_ids"].clone()}
    changed["input_ids"][0, :second] = (changed["input_ids"][0, :second] + 1) % 1000
    with torch.no_grad():
        before, after = (made.model.eval()(**inputs).logits[0, second:] for inputs in (given, changed))
    return float((before - after).abs().max())


def main() -> None:
    """Measure, print, and write bench/results/sft.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("rows")
    parser.add_argument("--dialogues", type=int, default=192)
    parser.add_argument("--length", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl", encoding="utf-8") as part:
        text = Path(given.rows).read_text(encoding="utf-8").split("\n")
        part.write("\n".join(text[: given.dialogues]) + "\n")
        part.flush()
        files = [part.name]
        sides = {
            "trivium, packed": lambda: our_seconds(given.model, files, given.length, "bestfit"),
            "TRL, padded": lambda: their_seconds(given.model, files, given.length, packed=False),
            "trivium, padded": lambda: our_seconds(given.model, files, given.length, "pad"),
            "TRL, packed": lambda: their_seconds(given.model, files, given.length, packed=True),
        }
        rates: dict[str, list[float]] = {name: [] for name in sides}
        for _ in range(given.rounds):
            for name, measure in sides.items():
                seconds, tokens = measure()
                rates[name].append(tokens / seconds)
        moved = leak(given.model, files, given.length)
    result = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": platform.machine(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "dialogues": given.dialogues,
        "length": given.length,
        "tokens": tokens,
        "tokens_per_second": {name: round(statistics.median(found), 1) for name, found in rates.items()},
        "all": {name: [round(rate, 1) for rate in found] for name, found in rates.items()},
        "trl_packed_leak": moved,
    }
    ours = result["tokens_per_second"]["trivium, packed"]
    for name, rate in result["tokens_per_second"].items():
        print(f"{name:<18}{rate:>10,.0f} real tokens/s   ours packed is {ours / rate:.2f}x")
    print(
        f"TRL packed: the scores of a second dialogue move by {moved:.2g} with the first"
        f" ({'they see each other' if moved > 1e-4 else 'isolated'})"
    )
    out = Path(__file__).parent / "results" / "sft.json"
    out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
