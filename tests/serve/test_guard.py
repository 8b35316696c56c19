"""The guard asks for the key, refuses foreign hosts and origins, large and slow bodies, and sees who hangs up."""

import json
import socket
import time
from collections.abc import Callable

import httpx
import pytest
from fastapi.routing import APIRoute

from serving import CHAT, ask, behind_a_socket, catalog, post, tiny
from trivium.serve.guard import OPEN
from trivium.serve.routes import ROUTERS


def test_every_route_but_the_open_ones_asks_for_the_key() -> None:
    routes = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    paths = [(method, route.path.replace("{name:path}", "llama")) for route in routes for method in route.methods]
    assert len(paths) > 5
    for given, wrong in ((None, True), ("Bearer wrong", True), ("Bearer kéy", False)):
        headers = {"authorization": given.encode()} if given else {}
        with catalog(key="kéy") as made:
            answers = ask(made, *(lambda c, m=m, p=p: c.request(m, p) for m, p in paths), headers=headers)
        for (_, path), answer in zip(paths, answers, strict=True):
            assert (answer.status_code == 401) == (wrong and path not in OPEN), path


def test_the_key_may_come_as_anthropic_sends_it() -> None:
    with catalog(key="k") as made:
        assert post(made, "/v1/chat/completions", CHAT, headers={"x-api-key": "k"}).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 403),
        ({"host": "127.0.0.1.evil.example"}, 403),
        ({"host": "evil.example/@localhost"}, 403),
        ({"host": "127.0.0.1:8000"}, 200),
        ({"host": "[::1]:8000"}, 200),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://localhost"}, 200),
        ({"origin": "https://mine.example"}, 200),
    ],
)
def test_foreign_hosts_and_origins_are_refused(headers: dict[str, str], status: int) -> None:
    with catalog(cors=("https://mine.example",)) as made:
        assert ask(made, lambda client: client.get("/v1/models", headers=headers))[0].status_code == status


def test_a_page_of_a_named_origin_may_ask() -> None:
    asked = {
        "origin": "https://mine.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type,x-stainless-os",
    }
    with catalog(cors=("https://mine.example",), key="k") as made:
        answer = ask(made, lambda client: client.options("/v1/chat/completions", headers=asked))[0]
    assert answer.status_code == 200 and answer.headers["access-control-allow-origin"] == "https://mine.example"
    assert "x-stainless-os" in answer.headers["access-control-allow-headers"]


def test_a_large_body_is_refused() -> None:
    with catalog(body_bytes=2000) as made:
        long = {**CHAT, "messages": [{"role": "user", "content": "x" * 3000}]}
        assert post(made, "/v1/chat/completions", long).status_code == 413
        assert post(made, "/v1/chat/completions", CHAT).status_code == 200


def test_a_client_that_hangs_up_frees_its_row_within_a_step() -> None:
    """It leaves after the first piece of a stream, or before any byte of a whole answer."""
    with catalog({"llama": tiny(context=4096)}, memory_gib=1.0) as made, behind_a_socket(made) as address:
        worker = made.served["llama"].worker
        host, port = address.removeprefix("http://").split(":")
        never = {str(index): -100 for index in made.served["llama"].model.stop_ids}
        steps = []
        step = worker.engine.step
        worker.engine.step = lambda: (steps.append(worker.load), step())[1]
        for stream in (True, False) * 3:
            body = json.dumps({**CHAT, "max_tokens": 4000, "stream": stream, "logit_bias": never}).encode()
            head = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            with socket.create_connection((host, int(port))) as client:
                client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
                assert client.recv(1) == b"H" if stream else wait(lambda: worker.load[0] == 1)
            assert wait(lambda: worker.load == (0, 0), 1.0)
            made_steps = len(steps)
            time.sleep(0.05)
            assert len(steps) - made_steps <= 1 and not worker._jobs
    assert len(steps) < 6 * 4000 / 4


def wait(done: Callable[[], bool], seconds: float = 5.0) -> bool:
    """Wait until something is so; return whether it came so far."""
    end = time.monotonic() + seconds
    while not done() and time.monotonic() < end:
        time.sleep(0.002)
    return done()


def test_slow_clients_are_dropped_and_do_not_stop_the_others() -> None:
    with catalog(receive_seconds=0.4, stall_seconds=0.4) as made, behind_a_socket(made) as address:
        host, port = address.removeprefix("http://").split(":")
        half = b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n"
        slow = [socket.create_connection((host, int(port))) for _ in range(9)]
        for at, client in enumerate(slow):
            client.settimeout(5)
            client.sendall((b"", b"POST /v1", half + b"\r\n{")[at % 3])
        with httpx.Client(base_url=address) as quick:
            assert quick.post("/v1/chat/completions", json=CHAT).status_code == 200
            answers = [read(client) for client in slow]
            assert [answer[9:12] for answer in answers] == [b"", b"", b"408"] * 3
            assert quick.post("/v1/chat/completions", json=CHAT).status_code == 200


def test_a_client_that_does_not_read_is_dropped() -> None:
    with catalog(stall_seconds=0.3) as made, behind_a_socket(made) as address:
        host, port = address.removeprefix("http://").split(":")
        body = json.dumps({**CHAT, "n": 8, "max_tokens": 120, "stream": True, "logprobs": True, "top_logprobs": 20})
        request = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect((host, int(port)))
            client.sendall(f"{request}Content-Length: {len(body)}\r\n\r\n{body}".encode())
            assert wait(lambda: made.served["llama"].worker.load != (0, 0))
            assert wait(lambda: made.served["llama"].worker.load == (0, 0), 20)
            time.sleep(0.5)
            found = read(client)
    assert b'"role":"assistant"' in found and b"[DONE]" not in found


def read(client: socket.socket) -> bytes:
    """Read until the other side closes."""
    found = b""
    while part := client.recv(65536):
        found += part
    return found
