"""Reading and writing at inference: tokens/s of ours beside transformers, CTranslate2 and llama.cpp.

    OMP_NUM_THREADS=1 python bench/infer.py [--rounds 3] [--only trivium]

A LLaMA of 12 layers and width 768 (91M parameters), random weights, greedy, one thread, prompts of 16 ids. The sides
take turns, and the best of the rounds counts: the machine may be shared. Seconds are processor time, so what other
programs do counts little. Decoding is the time of N new tokens less that of one. A peer that is not installed is left
out. The script prints its results and writes bench/results/infer.json.
"""

import argparse
import importlib.util
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from datetime import date
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported

import torch

import trivium
from trivium.base.files import write_json
from trivium.infer.engine import InferenceEngine
from trivium.infer.generate import Generation
from trivium.infer.request import Request
from trivium.infer.weights import keep
from trivium.interop import ctranslate2, gguf, hub
from trivium.token.tokenizer import Tokenizer

CASES = {"1 row": (1, 16, 24), "8 rows": (8, 16, 24), "32 rows": (32, 16, 24), "prompt of 1,024": (1, 1024, 0)}
"""Rows, ids of each prompt, and new tokens that are timed; 0 times the prompt itself."""
Side = Callable[[list[list[int]], int], float]
"""Write new tokens after prompts; return the seconds of processor time."""


def timed(run: Callable[[], object]) -> float:
    """Return the processor seconds of a call."""
    start = time.process_time()
    run()
    return time.process_time() - start


def ours(folder: Path, weights: str, exact: bool = False) -> Side:
    """Return our engine; as in `generate`."""
    transformer = trivium.load(folder, weights=weights).transformer

    def run(prompts: list[list[int]], count: int) -> None:
        engine = InferenceEngine(transformer, exact=exact, lookup=False)  # a random model repeats itself
        going = Generation(transformer, Request(prompts, max_new_tokens=count), engine)
        while going.live:
            going.step()

    return lambda prompts, count: timed(lambda: run(prompts, count))


def stock(folder: Path, dtype: torch.dtype) -> Side:
    """Return transformers' `generate`."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).eval()

    def run(prompts: list[list[int]], count: int) -> None:
        ids = torch.tensor(prompts)
        options = {"max_new_tokens": count, "min_new_tokens": count, "do_sample": False, "pad_token_id": 0}
        model.generate(ids, attention_mask=torch.ones_like(ids), **options)

    return lambda prompts, count: timed(lambda: run(prompts, count))


def ct2(folder: Path, kind: str, names: dict[int, str]) -> Side:
    """Return CTranslate2's generator."""
    import ctranslate2 as library

    generator = library.Generator(str(folder), compute_type=kind, intra_threads=1)

    def run(prompts: list[list[int]], count: int) -> None:
        said = [[names[index] for index in row] for row in prompts]
        options = {"max_length": count, "min_length": count, "sampling_topk": 1, "include_prompt_in_result": False}
        generator.generate_batch(said, **options)

    return lambda prompts, count: timed(lambda: run(prompts, count))


SERVER = """
import sys, time, xllamacpp
options = xllamacpp.CommonParams()
options.model.path, options.n_ctx, options.n_parallel = sys.argv[1], 2048, 1
options.warmup = options.fit_params = False
options.cpuparams.n_threads = options.cpuparams_batch.n_threads = 1
options.verbosity = 0
server = xllamacpp.Server(options)
print("listening", server.listening_address, flush=True)
time.sleep(3600)
"""


class LlamaCpp:
    """llama.cpp's own server in a process of its own; one row at a time."""

    def __init__(self, file: Path) -> None:
        self.process = subprocess.Popen([sys.executable, "-c", SERVER, str(file)], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.address = next(line.split()[1] for line in self.process.stdout if line.startswith("listening"))

    def seconds(self) -> float:
        """Return the processor seconds of the process so far."""
        words = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def __call__(self, prompts: list[list[int]], count: int) -> float:
        """Write after one prompt; several have no meaning here."""
        (prompt,) = prompts
        body = {"prompt": prompt, "n_predict": count, "ignore_eos": True, "temperature": 0, "cache_prompt": False}
        kind = {"Content-Type": "application/json"}
        asked = urllib.request.Request(self.address + "/completion", json.dumps(body).encode(), kind)
        start = self.seconds()
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked, timeout=300) as reply:
            reply.read()
        return self.seconds() - start


def sides(work: Path) -> dict[str, Side]:
    """Return every side that is installed, with its files made in a folder."""
    root = Path(__file__).resolve().parent.parent
    tokenizer = Tokenizer.train((page.read_text(encoding="utf-8") for page in sorted(root.glob("src/**/*.py"))), 4096)
    torch.manual_seed(0)
    made = trivium.build("llama", layers=12, hidden_size=768, heads=12, context=2048, vocab_size=tokenizer.size)
    made.tokenizer = tokenizer
    folder, parts = made.save(work / "model"), hub.Folder(made.transformer, tokenizer, made.stop_ids)
    found: dict[str, Side] = {f"trivium {weights}": ours(folder, weights) for weights in ("fp32", "bf16", "int8")}
    found["trivium fp32 --exact"] = ours(folder, "fp32", exact=True)
    if importlib.util.find_spec("transformers"):
        found |= {"transformers fp32": stock(folder, torch.float32), "transformers bf16": stock(folder, torch.bfloat16)}
    if importlib.util.find_spec("ctranslate2"):
        names = {index: name for name, index in json.loads(tokenizer.json)["model"]["vocab"].items()}
        theirs = ctranslate2.write(work / "ct2", parts)
        found |= {f"CTranslate2 {kind}": ct2(theirs, kind, names) for kind in ("float32", "int8")}
    if importlib.util.find_spec("xllamacpp") and sys.platform == "linux":
        found["llama.cpp Q8_0"] = LlamaCpp(gguf.write(work / "model.gguf", parts, "q8_0"))
    return found


def measure(found: dict[str, Side], rounds: int, out: Path) -> None:
    """Write the tokens/s of every side to a file, after each case."""
    layer = overhead(rounds)
    best: dict[str, dict[str, float]] = {name: {} for name in found}
    draw = torch.Generator().manual_seed(1)
    for case, (rows, length, new) in CASES.items():
        prompts = torch.randint(300, 4000, (rows, length), generator=draw).tolist()
        taken = {name: side for name, side in found.items() if rows == 1 or not isinstance(side, LlamaCpp)}
        for _ in range(rounds):
            for name, side in taken.items():
                one = side(prompts, 1)
                rate = rows * new / max(side(prompts, 1 + new) - one, 1e-9) if new else rows * length / one
                best[name][case] = max(best[name].get(case, 0.0), rate)
        print(f"{case}: " + ", ".join(f"{name} {best[name][case]:,.0f}" for name in taken), flush=True)
        busy = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
        about = {"date": date.today().isoformat(), "machine": machine(), "load": round(busy, 1), "rounds": rounds}
        write_json(
            out, {**about, "torch": torch.__version__, "tokens_per_second_of_processor_time": best, "layer_us": layer}
        )


def overhead(rounds: int, steps: int = 20) -> dict[str, dict[str, float]]:
    """Return the microseconds of a layer in a step whose matrices are almost nothing, by weights and rows."""
    found: dict[str, dict[str, float]] = {}
    for weights in ("fp32", "bf16", "int8"):
        for rows in (1, 8, 32):
            best = {2: float("inf"), 14: float("inf")}
            for layers in best:
                made = trivium.build("llama", layers=layers, hidden_size=64, heads=4, context=256, vocab_size=512)
                kept = keep(made.transformer, weights)
                engine = InferenceEngine(kept, lookup=False)
                going = Generation(kept, Request([[5] * 16] * rows, max_new_tokens=rounds * steps + 2), engine)
                going.step()
                best[layers] = min(timed(going.step) for _ in range(rounds * steps))
            found.setdefault(weights, {})[f"{rows} rows"] = round(1e6 * (best[14] - best[2]) / 12, 1)
        print(f"a layer apart from its weights, microseconds: {weights} {found[weights]}", flush=True)
    return found


def machine() -> str:
    """Return the processor, and what its products of 8 and 16 bits are."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if sys.platform == "linux" else []
    told = {line.split(":")[0].strip(): line.partition(":")[2].strip() for line in lines}
    kinds = [kind for kind in ("amx_int8", "avx512_vnni", "avx512_bf16") if kind in told.get("flags", "")]
    return f"{told.get('model name', platform.processor())}, {os.cpu_count()} cores ({', '.join(kinds)})"


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="the beginning of the names of the sides that are measured")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "infer.json")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as work:
        found = {name: side for name, side in sides(Path(work)).items() if name.startswith(chosen.only)}
        try:
            measure(found, chosen.rounds, chosen.out)
        finally:
            for side in found.values():
                if isinstance(side, LlamaCpp):
                    side.process.kill()


if __name__ == "__main__":
    main()
