"""llama.cpp with a GGUF file of the model: the ids that it reads, its first log-probabilities, its greedy ids.

It runs in a process of its own, with keys and values in float32, and listens at the loopback.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

from trivium.base.errors import ModelError
from trivium.base.plugin import extra
from trivium.study.verify.stage import COARSE, ParityStage, lacking
from trivium.study.verify.stages.stock import until
from trivium.study.verify.subject import Reply, Subject

TOLERANCE = 1e-3
"""How far log-probabilities may be off: llama.cpp takes GELU from a table of float16."""
TOP = 5
SERVE = """
import sys, xllamacpp
options = xllamacpp.CommonParams()
options.model.path, options.n_ctx, options.n_parallel = sys.argv[1], int(sys.argv[2]), 1
options.warmup = options.fit_params = False
options.cache_type_k = options.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
options.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
options.verbosity = 0
server = xllamacpp.Server(options)
print("listening", server.listening_address, flush=True)
sys.stdin.read()
"""


def refusal(subject: Subject) -> str | None:
    """Return why llama.cpp is not asked."""
    if subject.gguf is None:
        return "no file was given (--gguf)"
    return lacking("xllamacpp")


def replies(subject: Subject) -> list[Reply]:
    """Return what llama.cpp says about each text."""
    with _listening(subject) as ask:
        return [_reply(subject, at, ask) for at in range(len(subject.texts))]


def _reply(subject: Subject, at: int, ask: Any) -> Reply:
    read = ask("/tokenize", content=subject.texts[at], add_special=True, parse_special=False)["tokens"]
    if read != subject.read[at]:
        return Reply(read)
    options = {"prompt": read, "temperature": 0, "cache_prompt": False, "return_tokens": True}
    # A token that is half a character would be left out, so a whole one is forced; that leaves probabilities alone.
    whole = [[ask("/tokenize", content="a")["tokens"][0], 1000.0]]
    first = ask("/completion", n_predict=1, n_probs=TOP, logit_bias=whole, **options)["completion_probabilities"][0]
    chances = {entry["id"]: entry["logprob"] for entry in first["top_logprobs"]}
    ids = ask("/completion", n_predict=subject.new_tokens, **options)["tokens"]
    return Reply(read, ids=until(ids, tuple(subject.request([at]).stop_ids)), chances=[chances])


@contextmanager
def _listening(subject: Subject) -> Iterator[Any]:
    """Run llama.cpp with the file; give a function that posts to a path and returns the answer."""
    context = max(map(len, subject.read)) + subject.new_tokens + 8
    command = [sys.executable, "-c", SERVE, str(subject.gguf), str(context)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, text=True, **pipes)
    try:
        assert process.stdout is not None
        words = next((line.split() for line in process.stdout if line.startswith("listening")), None)
        if words is None:
            raise ModelError(f"{subject.gguf}: llama.cpp cannot load the file")
        opened = build_opener(ProxyHandler({})).open

        def ask(path: str, **body: Any) -> dict[str, Any]:
            request = Request(words[1] + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
            with opened(request, timeout=600) as reply:
                return dict(json.load(reply))

        yield ask
    finally:
        process.kill()  # its own way of stopping now and then waits for ever
        process.communicate()


def tolerance(subject: Subject) -> float:
    """Return how far it may be off: more where a matrix has fewer bits."""
    gguf = extra("gguf", "reading GGUF")
    types = {tensor.tensor_type.name for tensor in gguf.GGUFReader(subject.gguf).tensors}
    return TOLERANCE if types <= {"F32"} else COARSE


STAGE = ParityStage("llama.cpp", 6, replies, refusal, tolerance)
