"""What one GPU gives: a step beside compiled nanoGPT, a model of 1 B, the memory of the loss, kernels in bfloat16.

    python bench/gpu.py --nanogpt CHECKOUT [--only gpt2 1b loss kernels] [--peak 989.5]
    python bench/gpu.py --device cpu --small          the same lines in seconds, to try the script: no figure of a GPU

It takes less than ten minutes on one H200. `gpt2`: 124M, rows of 1,024, bfloat16, both compiled, in turns A B A B, the
median. `1b`: the share of `--peak` (TFLOP/s, dense bfloat16: 989.5 on an H100 or H200) and of a product measured in the
same run; FLOPs by the convention of `trivium show`. `loss`: the memory that the loss of 65,536 targets takes beside its
inputs and the gradients that it leaves. `kernels`: `flex` and `flash` beside `eager` in float32, rows that hold several
documents. Results are kept in bench/results/gpu.json.
"""

import argparse
import gc
import os
import statistics
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sides import theirs

import train as bench
from trivium.base.batch import Batch, Stream
from trivium.base.config import parse
from trivium.base.files import read_json, write_json
from trivium.model.attention.kernel import Eager, Kernel
from trivium.model.attention.pattern import Causal, Where
from trivium.model.attention.view import View
from trivium.model.config import configure
from trivium.model.layer.head import VocabularyHead
from trivium.model.size import flops
from trivium.model.transformer import Transformer
from trivium.train.loss.token import TokenLoss
from trivium.train.parallel.world import World
from trivium.train.recipe import Recipe
from trivium.train.step import train_step

RESULTS = Path(__file__).parent / "results" / "gpu.json"
Run = Callable[[], float]
ONE_B: dict[str, Any] = {"preset": "llama", "layers": 16, "heads": 16, "kv_heads": 8, "hidden_size": 2048}
ONE_B |= {"ffn_size": 8192, "vocab_size": 50304, "context": 2048}
SMALL = {"layers": 2, "heads": 2, "hidden_size": 64, "vocab_size": 512}


class Machine:
    """The device, how large a case is, and how time and memory are read."""

    def __init__(self, name: str, small: bool) -> None:
        self.device, self.small = torch.device(name), small
        self.cuda = self.device.type == "cuda"

    def wait(self) -> None:
        """Wait for the work that was given to the device."""
        if self.cuda:
            torch.cuda.synchronize()

    def seconds(self, run: Callable[[], object], times: int) -> float:
        """Return the seconds of a call, the mean of several in a row."""
        self.wait()
        began = time.perf_counter()
        for _ in range(times):
            run()
        self.wait()
        return (time.perf_counter() - began) / times

    def about(self) -> dict[str, Any]:
        """Return what a figure must be read with."""
        name = torch.cuda.get_device_name() if self.cuda else "cpu"
        return {"date": str(date.today()), "device": name, "torch": torch.__version__, "small": self.small}

    def product(self) -> float:
        """Return the TFLOP/s of a product of 8,192 x 8,192 x 8,192 in bfloat16."""
        size = 256 if self.small else 8192
        a, b = (torch.randn(size, size, device=self.device, dtype=torch.bfloat16) for _ in range(2))
        self.seconds(lambda: a @ b, 5)
        return round(2 * size**3 / self.seconds(lambda: a @ b, 20) / 1e12, 1)


def ours(machine: Machine, model: dict[str, Any], rows: int, length: int) -> Run:
    """Return a compiled step of ours in bfloat16."""
    torch.manual_seed(0)
    config = configure(**model)
    built = Transformer(config).to(machine.device).train()
    tree = {"data": {"path": "none"}, "model": {"preset": "gpt2", "vocab_size": 64}, "budget_steps": 1}
    recipe = parse(Recipe, tree, "bench")
    optimizer = recipe.optim.build(built)
    read = np.random.default_rng(0).integers(5, config.vocab_size, (rows, length + 1))
    places = np.broadcast_to(np.arange(length), (rows, length))
    batch = Batch(None, Stream(read[:, :-1], places, np.ones_like(places), plain=True), {"token": read[:, 1:]})
    built.compile()
    world = World(device=machine.device)
    return lambda: train_step(built, built, optimizer, [batch], 3e-4, recipe, 0, torch.bfloat16, world).loss


def nanogpt(machine: Machine, model: dict[str, Any], rows: int, length: int) -> Run:
    """Return a compiled step of nanoGPT in bfloat16, as its bench.py does it."""
    from model import GPT, GPTConfig  # the checkout

    torch.manual_seed(0)
    sizes = {"n_layer": "layers", "n_head": "heads", "n_embd": "hidden_size", "vocab_size": "vocab_size"}
    given = {name: model[own] for name, own in sizes.items() if own in model}
    built = GPT(GPTConfig(**given, block_size=length, dropout=0.0)).to(machine.device)
    optimizer = built.configure_optimizers(0.1, 3e-4, (0.9, 0.95), machine.device.type)
    read = torch.from_numpy(np.random.default_rng(0).integers(5, model["vocab_size"], (rows, length + 1)))
    inputs, wanted = read[:, :-1].to(machine.device), read[:, 1:].contiguous().to(machine.device)
    words = ["bf16", "compiled"]
    return theirs(words, built, optimizer, lambda called: called(inputs, wanted)[1], machine.device.type)


def gpt2(machine: Machine, given: argparse.Namespace) -> dict[str, Any]:
    """Measure 124M beside compiled nanoGPT."""
    model = {**bench.GPT2, **(SMALL if machine.small else {})}
    rows, length, times = (2, 64, 2) if machine.small else (32, 1024, 20)
    sides = {"trivium": ours(machine, model, rows, length)}
    if (Path(given.nanogpt) / "model.py").is_file():
        sides["nanogpt"] = nanogpt(machine, model, rows, length)
    for run in sides.values():
        machine.seconds(run, 5)
    turns = {name: [0.0] * 5 for name in sides}
    for turn in range(5):
        for name, run in sides.items():
            turns[name][turn] = machine.seconds(run, times)
    tokens = {name: round(rows * length / statistics.median(each)) for name, each in turns.items()}
    found: dict[str, Any] = {"rows": rows, "length": length, "tokens_per_second": tokens}
    if "nanogpt" in turns:
        each = [b / a for a, b in zip(turns["trivium"], turns["nanogpt"], strict=True)]
        found["ratio"] = [round(f(each), 3) for f in (statistics.median, min, max)]
    return found


def one_b(machine: Machine, given: argparse.Namespace) -> dict[str, Any]:
    """Measure the share of the machine's rate that a step of 1 B with rows of 2,048 reaches."""
    model = {**ONE_B, **({**SMALL, "kv_heads": 1, "ffn_size": 128} if machine.small else {})}
    rows, length, times = (2, 64, 2) if machine.small else (8, 2048, 10)
    run = ours(machine, model, rows, length)
    machine.seconds(run, 4)
    seconds = statistics.median(machine.seconds(run, times) for _ in range(3))
    rate, product = flops(configure(**model), length) * rows * length / seconds / 1e12, machine.product()
    shares = {"of_peak": round(rate / given.peak, 3), "of_product": round(rate / product, 3), "product_tflops": product}
    return {"tokens_per_second": round(rows * length / seconds), "tflops": round(rate, 1), **shares}


def loss(machine: Machine, given: argparse.Namespace) -> dict[str, Any]:
    """Measure the memory that the loss takes beyond its inputs and their gradients."""
    if not machine.cuda:
        return {"skipped": "only CUDA tells the peak of a part"}
    targets, vocabulary, width = 65_536, 50_304, 768
    head = VocabularyHead(vocabulary, width, None, bias=False, softcap=None).to(machine.device)
    torch.nn.init.normal_(head.weight, std=0.02)
    features = torch.randn(targets, width, device=machine.device, dtype=torch.bfloat16, requires_grad=True)
    wanted = torch.randint(0, vocabulary, (targets,), device=machine.device)
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    with torch.autocast("cuda", dtype=torch.bfloat16):
        total, _ = TokenLoss().cross_entropy(head, features, wanted)
    (total / targets).backward()
    kept = torch.cuda.memory_allocated() - before
    extra = torch.cuda.max_memory_allocated() - before - kept
    return {"extra_gb": round(extra / 1e9, 3), "gradients_gb": round(kept / 1e9, 3)}


def kernels(machine: Machine, given: argparse.Namespace) -> dict[str, Any]:
    """Return the largest error of each kernel in bfloat16 beside `eager` in float32, rows of several documents."""
    from trivium.model.attention.flash import Flash
    from trivium.model.attention.flex import Flex

    rows, length, heads, width = (2, 128, 2, 32) if machine.small else (4, 2048, 16, 128)
    position = torch.arange(length, device=machine.device)[None].expand(rows, -1)
    where = Where(position, position * 3 // length + 1)
    view = View(Causal(), where, where)
    q, k, v = (torch.randn(rows, heads, length, width, device=machine.device) for _ in range(3))
    wanted, found = Eager().attend(q, k, v, view, width**-0.5), {}
    for kernel in (Flex(), Flash()):
        found[kernel.kind] = _error(machine, kernel, (q, k, v), view, wanted)
    return found


def _error(machine: Machine, kernel: Kernel, inputs: Any, view: View, wanted: Any) -> Any:
    """Return the largest error of a kernel and its seconds, or why it cannot run here."""
    scale, halves = inputs[0].shape[-1] ** -0.5, [one.to(torch.bfloat16) for one in inputs]
    try:
        result = kernel.attend(*halves, view, scale)
        seconds = machine.seconds(lambda: kernel.attend(*halves, view, scale), 5)
    except Exception as error:  # a kernel that fails is a figure too
        return {"fails": f"{type(error).__name__}: {str(error).splitlines()[0]}"}
    return {"error": float((result.float() - wanted).abs().max()), "ms": round(seconds * 1000, 3)}


PARTS = {"gpt2": gpt2, "1b": one_b, "loss": loss, "kernels": kernels}


def main() -> None:
    """Measure the parts that are asked for, print them, and keep them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--nanogpt", default=os.environ.get("NANOGPT", ""))
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--peak", type=float, default=989.5, help="TFLOP/s of the device in dense bfloat16")
    given = parser.parse_args()
    sys.path.insert(0, given.nanogpt)
    machine = Machine(given.device, given.small)
    kept = read_json(RESULTS) if RESULTS.exists() else {}
    for name in given.only:
        kept[name] = {**machine.about(), **PARTS[name](machine, given)}
        print(f"{name}: {kept[name]}", flush=True)
        gc.collect()
        if machine.cuda:
            torch.cuda.empty_cache()
            if not machine.small:
                write_json(RESULTS, kept)


if __name__ == "__main__":
    main()
