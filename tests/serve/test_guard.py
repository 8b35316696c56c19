"""The guard asks for the key, refuses foreign hosts and origins, large and slow bodies, and sees who hangs up."""

import pytest
from fastapi.routing import APIRoute

from serving import CHAT, ask, catalog, post
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
