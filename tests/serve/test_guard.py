"""The guard asks for the key, refuses foreign hosts and origins, large and slow bodies, and sees who hangs up."""

import gzip
import http.client
import json
import re
import socket
import time
from collections.abc import Callable
from contextlib import suppress

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
    assert "access-control-allow-credentials" not in answer.headers
    assert answer.status_code == 200 and answer.headers["access-control-allow-origin"] == "https://mine.example"
    assert "x-stainless-os" in answer.headers["access-control-allow-headers"]


def test_a_large_body_is_refused() -> None:
    with catalog(body_bytes=2000) as made:
        long = {**CHAT, "messages": [{"role": "user", "content": "x" * 3000}]}
        assert post(made, "/v1/chat/completions", long).status_code == 413
        assert post(made, "/v1/chat/completions", CHAT).status_code == 200


def test_what_would_be_lost_in_a_body_is_refused() -> None:
    twice = b'{"model": "llama", "messages": [{"role": "user", "content": "a", "content": "b"}]}'
    with catalog() as made:
        path, kind = "/v1/chat/completions", {"content-type": "application/json"}
        packed = {**kind, "content-encoding": "gzip"}
        answers = ask(
            made,
            lambda client: client.post(path, content=twice, headers=kind),
            lambda client: client.post(path, content=gzip.compress(json.dumps(CHAT).encode()), headers=packed),
            lambda client: client.post(path, json=CHAT, headers={"content-encoding": "identity"}),
        )
    assert [answer.status_code for answer in answers] == [400, 415, 200]
    assert "the key 'content' twice" in answers[0].json()["error"]["message"]
    assert "expected a body that is not compressed" in answers[1].json()["error"]["message"]


def sent(address: str, *requests: bytes) -> list[tuple[int, dict[str, str], bytes]]:
    """Send raw requests over one connection; return the status, headers and body of each response."""
    host, port = address.removeprefix("http://").split(":")
    found = []
    with socket.create_connection((host, int(port)), timeout=20) as client:
        for request in requests:
            client.sendall(request)
            answer = http.client.HTTPResponse(client, method=request.split(b" ")[0].decode())
            answer.begin()
            found.append((answer.status, {key.lower(): value for key, value in answer.getheaders()}, answer.read()))
    return found


def test_requests_of_other_kinds_of_http_are_answered() -> None:
    """HEAD has the head of GET; a connection is kept; HTTP/1.0 gets a whole stream and its end; chunks are joined."""
    body = json.dumps({**CHAT, "stream": True, "temperature": 0}).encode()
    head = b"Host: localhost\r\nContent-Type: application/json\r\n"
    length = b"Content-Length: %d\r\n\r\n" % len(body)
    get, post = b" /health HTTP/1.1\r\n" + head + b"\r\n", b"POST /v1/chat/completions HTTP/1."
    chunked = b"Transfer-Encoding: chunked\r\n\r\n5\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (
        body[:5],
        len(body) - 5,
        body[5:],
    )
    with catalog() as made, behind_a_socket(made) as address:
        one, two, *streams = sent(
            address,
            b"HEAD" + get,
            b"GET" + get,
            post + b"1\r\n" + head + length + body,
            post + b"1\r\n" + head + chunked,
        )
        old = sent(address, post + b"0\r\n" + head + length + body)
        expected = sent(address, post + b"1\r\n" + head + b"Expect: 100-continue\r\n" + length + body)
    assert one[0] == 200 and one[1]["content-length"] == two[1]["content-length"]
    assert one[2] == b"" and json.loads(two[2])["status"]
    assert [code for code, _, _ in (*streams, *old, *expected)] == [200] * 4
    texts = [re.findall(rb'"content":"(.*?)"', part) for _, _, part in (*streams, *old, *expected)]
    assert texts[0] and texts.count(texts[0]) == 4 and old[0][2].endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 70_000, 431),
        (b"\x16\x03\x01\x02 TLS\r\n\r\n", 400),
        (b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    ],
)
def test_what_is_no_request_is_refused_in_the_form_of_all_errors(request_: bytes, status: int) -> None:
    with catalog() as made, behind_a_socket(made) as address:
        ((found, headers, body),) = sent(address, request_)
        assert httpx.get(f"{address}/health", trust_env=False).status_code == 200
    assert (found, headers["connection"], headers["content-type"]) == (status, "close", "application/json")
    assert json.loads(body)["error"]["type"] == "invalid_request_error"


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
            assert wait(lambda: not worker._jobs) and len(steps) - made_steps <= 1
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


@pytest.mark.slow
def test_a_hundred_that_drip_and_a_hundred_that_do_not_read_stop_nobody() -> None:
    body = json.dumps(
        {**CHAT, "n": 2, "seed": 1, "max_tokens": 100, "stream": True, "logprobs": True, "top_logprobs": 20}
    )
    head = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    whole = f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()
    with catalog(receive_seconds=3, stall_seconds=3, waiting=500) as made, behind_a_socket(made) as address:
        host, port = address.removeprefix("http://").split(":")
        slow = []
        for at in range(200):
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect((host, int(port)))
            client.sendall(whole if at % 2 else (b"GET / HT", head.encode())[at // 2 % 2])
            slow.append(client)
        worker = made.served["llama"].worker
        with httpx.Client(base_url=address, timeout=60, trust_env=False) as quick:
            for _ in range(10):
                assert quick.post("/v1/chat/completions", json=CHAT).status_code == 200
            assert wait(lambda: worker.load == (0, 0), 120)
            time.sleep(5)
            assert quick.get("/health").status_code == 200
        for at, client in enumerate(slow):
            with suppress(ConnectionError), client:
                assert b"[DONE]" not in read(client) or at % 2
        assert not worker._jobs and worker.is_alive()


def test_a_client_that_does_not_read_is_dropped() -> None:
    with catalog(stall_seconds=0.3) as made, behind_a_socket(made) as address:
        host, port = address.removeprefix("http://").split(":")
        body = json.dumps(
            {**CHAT, "n": 8, "seed": 1, "max_tokens": 120, "stream": True, "logprobs": True, "top_logprobs": 20}
        )
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
