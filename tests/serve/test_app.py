"""The whole app: malformed requests never fail inside, and a crowd with clients that leave gets right answers."""

import asyncio
import copy
import json
import os
import random
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from serving import ask, behind_a_socket, catalog, tiny
from trivium.serve.served import Catalog

MESSAGE = {"role": "user", "content": "hi"}
BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {
        "model": "llama",
        "messages": [{"role": "system", "content": [{"type": "text", "text": "a"}]}, MESSAGE],
        "max_tokens": 2,
        "temperature": 1,
        "top_p": 0.9,
        "n": 2,
        "stop": ["a"],
        "stream": False,
        "seed": 3,
        "logit_bias": {"65": 1},
        "logprobs": True,
        "top_logprobs": 2,
        "stream_options": None,
    },
    "/v1/completions": {"model": "llama", "prompt": ["a", "b"], "max_tokens": 2, "stream": True, "logprobs": 1},
    "/v1/embeddings": {"model": "bert", "input": ["a"], "encoding_format": "base64", "dimensions": 32},
    "/v1/responses": {
        "model": "llama",
        "input": [MESSAGE],
        "max_output_tokens": 2,
        "instructions": "a",
        "stream": True,
    },
    "/v1/messages": {"model": "llama", "messages": [MESSAGE], "max_tokens": 2, "system": "a", "stop_sequences": ["a"]},
    "/v1/trivium/tokens": {"model": "llama", "prompt": "a", "max_tokens": 2},
    "/v1/trivium/attention": {"model": "llama", "prompt": "a"},
    "/v1/fill": {"model": "bert", "input": "a [MASK]", "top_k": 2},
    "/v1/rerank": {"model": "bert", "query": "a", "documents": ["a", {"text": "b"}], "top_n": 1},
    "/v1/classify": {"model": "bert", "input": ["a", ["a", "b"]]},
    "/v1/tag": {"model": "bert", "input": ["a b", ["a", "b"]]},
    "/v1/extract": {"model": "bert", "question": "a", "context": "b"},
    "/tokenize": {"model": "llama", "prompt": "a", "add_special_tokens": True},
}
JUNK: list[Any] = [
    *(None, True, -1, 0, 1, 2**31, 2**63, 10**30, 0.5, -1e308, 1e308, "", "a", "\x00", "\ud800", "é" * 40, "9" * 5000),
    *(
        [],
        {},
        [[]],
        [{}],
        [None],
        [1, "a"],
        {"a": {"b": {}}},
        {"type": "text"},
        {"type": "image_url"},
        "<|end|>",
        "llama",
    ),
    *(
        "/etc/passwd",
        ["a"] * 300,
        [[1] * 200],
        list(range(100)),
        {"kind": "x"},
        "~",
        {"": None},
        float("nan"),
        float("inf"),
    ),
]


def broken(draw: random.Random) -> tuple[str, str, bytes, dict[str, str]]:
    """A request that is malformed in one way or in several: (method, path, body, headers)."""
    path = draw.choice(list(BODIES))
    body: Any = json.loads(json.dumps(BODIES[path]))
    for _ in range(draw.randint(1, 3)):
        node, key = (
            body,
            draw.choice([*body, "unknown", "tools", "suffix", "user", "response_format", "text", "tool_choice"]),
        )
        while isinstance(node.get(key), dict | list) and node[key] and draw.random() < 0.7:
            inner = node[key]
            at: Any = draw.choice(list(inner)) if isinstance(inner, dict) else draw.randrange(len(inner))
            if isinstance(inner, list):
                if not isinstance(inner[at], dict):
                    inner[at] = copy.deepcopy(draw.choice(JUNK))
                    break
                inner, at = inner[at], draw.choice([*inner[at], "x"])
            node, key = inner, at
        else:
            if draw.random() < 0.2:
                node.pop(key, None)
            else:
                node[key] = copy.deepcopy(draw.choice(JUNK))
    text = json.dumps(body).encode()
    method, headers = "POST", {"content-type": "application/json"}
    match draw.randrange(12):
        case 0:
            text = text[: draw.randrange(len(text))]
        case 1:
            text = bytes(draw.randrange(256) for _ in range(draw.randrange(60)))
        case 2:
            headers = {
                "content-type": draw.choice(
                    ["text/plain", "multipart/form-data", "x", "application/json; charset=utf-7"]
                )
            }
        case 3:
            method = draw.choice(["GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"])
        case 4:
            text = json.dumps(draw.choice(JUNK)).encode()
        case 5:
            text = draw.choice(
                [b"[" * 5000, b'{"a":' * 5000, b'{"model":' + b"1" * 5000 + b"}", b"\xef\xbb\xbf{}", b""]
            )
        case 6:
            path += draw.choice(["/", "/x", "%00", "?a=b", "%2e%2e/", "\\"])
        case 7:
            headers |= {
                "host": draw.choice(["", "evil", "localhost:x", "[", "a@localhost"]),
                "origin": draw.choice(["null", "x"]),
            }
    return method, path, text, headers


def fuzz(made: Catalog, count: int, seed: int) -> dict[int, int]:
    """Send malformed requests, eight at a time; return how often each status came."""
    draw = random.Random(seed)
    statuses: dict[int, int] = {}

    async def some(client: httpx.AsyncClient) -> None:
        for _ in range(count // 8):
            method, path, body, headers = broken(draw)
            answer = await client.request(method, path, content=body, headers=headers)
            statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1
            assert answer.status_code < 500, (method, path, body[:500], answer.text)
            if answer.status_code >= 400 and method != "HEAD":
                assert answer.json()["error"]["message"] and "Traceback" not in answer.text
                assert str(Path(__file__).parent.parent.parent) not in answer.text

    ask(made, *[some] * 8)
    assert all(one.worker.load == (0, 0) and one._calls == 0 and not one.worker._jobs for one in made.served.values())
    return statuses


def test_malformed_requests_are_refused_and_leave_nothing() -> None:
    with catalog({"llama": tiny(context=64), "bert": tiny("bert", context=64)}) as made:
        statuses = fuzz(made, 304, 0)
    assert statuses[400] > 100 and {200, 403, 404, 405} <= {*statuses}


@pytest.mark.slow
def test_five_thousand_malformed_requests_are_refused_and_leave_nothing() -> None:
    with catalog({"llama": tiny(context=64), "bert": tiny("bert", context=64)}) as made:
        assert sum(fuzz(made, 5000, 1).values()) == 5000


def memory() -> int:
    """The resident bytes of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.slow
def test_a_crowd_gets_right_answers_and_leaves_nothing() -> None:
    """32 clients for a minute, every fifth request hung up on."""
    model = tiny()
    prompts = [f"{'word ' * (n % 9)}{n}" for n in range(48)]
    options = [{"temperature": 0.9, "seed": n} if n % 2 else {"temperature": 0} for n in range(48)]
    counts = {"whole": 0, "left": 0, "full": 0}
    sizes: list[int] = []
    with catalog({"llama": model}, exact=True, waiting=40) as made, behind_a_socket(made) as address:
        right = [model.generate(prompt, 24, **some) for prompt, some in zip(prompts, options, strict=True)]
        end = time.monotonic() + 60

        async def client(number: int) -> None:
            draw = random.Random(number)
            async with httpx.AsyncClient(base_url=address, timeout=60) as web:
                while time.monotonic() < end:
                    at = draw.randrange(48)
                    body = {"model": "llama", "prompt": prompts[at], "max_tokens": 24, **options[at]}
                    if draw.random() < 0.2:
                        try:
                            await asyncio.wait_for(web.post("/v1/completions", json=body), draw.random() * 0.2)
                        except TimeoutError:
                            counts["left"] += 1
                        continue
                    stream = draw.random() < 0.5
                    answer = await web.post("/v1/completions", json={**body, "stream": stream})
                    if answer.status_code == 429:
                        counts["full"] += 1
                        await asyncio.sleep(0.05)
                        continue
                    assert answer.status_code == 200, answer.text
                    if stream:
                        *lines, last, _ = answer.text.split("\n\n")
                        assert last == "data: [DONE]"
                        text = "".join(json.loads(line[6:])["choices"][0]["text"] for line in lines)
                    else:
                        text = answer.json()["choices"][0]["text"]
                    assert text == right[at], prompts[at]
                    counts["whole"] += 1

        async def crowd() -> None:
            async def watch() -> None:
                while time.monotonic() < end:
                    await asyncio.sleep(5)
                    sizes.append(memory())

            await asyncio.gather(watch(), *map(client, range(32)))

        threads, files = threading.active_count(), len(os.listdir("/proc/self/fd"))
        asyncio.run(crowd())
        time.sleep(0.5)
        worker = made.served["llama"].worker
        assert worker.load == (0, 0) and not worker._jobs and worker.is_alive()
        assert threading.active_count() <= threads + 40 and len(os.listdir("/proc/self/fd")) <= files + 3
    print(counts, sizes)
    assert counts["whole"] > 300 and counts["left"] > 30
    assert sizes[-1] < 1.05 * sizes[len(sizes) // 2]
