"""The HTTP server, at a free port of the loopback: all texts at once, or the vectors of all."""

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import torch

from trivium.base.errors import TriviumError
from trivium.base.log import speaking
from trivium.study.verify.stage import ParityStage, lacking
from trivium.study.verify.stages.alone import TOP
from trivium.study.verify.subject import Reply, Subject

NAME = "subject"
STARTING_SECONDS, ANSWER_SECONDS = 30, 600


def refusal(subject: Subject) -> str | None:
    """Return why the server is not asked."""
    if (missing := lacking("fastapi", "uvicorn", "prometheus_client")) is not None:
        return missing
    plain = all(reply.vector is not None for reply in subject.expected)
    return None if subject.writes or plain else "its vectors are of another text, or of another stack"


def replies(subject: Subject) -> list[Reply]:
    """Return the completion of each text, asked all at once, or the vectors of a model that does not write."""
    some = range(len(subject.texts))
    with serving(subject) as ask, ThreadPoolExecutor(len(some)) as pool:
        if subject.writes:
            return list(pool.map(lambda at: _reply(subject, at, ask), some))
        found = ask("/v1/embeddings", {"model": NAME, "input": subject.texts})["data"]
    return [Reply(vector=torch.tensor(one["embedding"])) for one in found]


def _reply(subject: Subject, at: int, ask: Any) -> Reply:
    body = {"model": NAME, "prompt": subject.texts[at], "max_tokens": subject.new_tokens, "temperature": 0}
    choice = ask("/v1/completions", {**body, "logprobs": TOP})["choices"][0]
    said, expected = choice["logprobs"]["token_logprobs"], subject.expected[at].ids or []
    chances = [{index: chance} for index, chance in zip(expected, said, strict=False)]
    return Reply(text=choice["text"], chances=chances)


@contextmanager
def serving(subject: Subject) -> Iterator[Any]:
    """Serve the model; give a function that posts to a path and returns the answer."""
    import uvicorn

    from trivium.serve.served import Catalog
    from trivium.serve.server import configuration, listen
    from trivium.serve.settings import Settings

    settings = Settings(port=0, exact=subject.exact, waiting=max(64, len(subject.texts)))
    catalog, name = Catalog(settings), subject.model.name
    catalog.add(NAME, subject.model)
    catalog.ready = True
    listening = listen(settings)
    server = uvicorn.Server(configuration(catalog))
    with speaking(quiet=True):  # the thread is not to tell of each request
        context = copy_context()
    thread = threading.Thread(target=context.run, args=(server.run, [listening]), daemon=True)
    thread.start()
    address = f"http://{settings.host}:{listening.getsockname()[1]}"
    try:
        end = time.monotonic() + STARTING_SECONDS
        while not server.started and thread.is_alive() and time.monotonic() < end:
            time.sleep(0.01)
        yield lambda path, body: _post(address + path, body)
    finally:
        server.should_exit = True
        thread.join()
        catalog.close()
        subject.model.name = name


def _post(address: str, body: dict[str, Any]) -> dict[str, Any]:
    headers = {"Content-Type": "application/json"}
    request = Request(address, json.dumps(body).encode(), headers)
    try:
        with build_opener(ProxyHandler({})).open(request, timeout=ANSWER_SECONDS) as answer:
            return dict(json.load(answer))
    except HTTPError as failed:
        raise TriviumError(f"{address}: {failed.code}: {failed.read().decode(errors='replace')[:300]}") from failed


STAGE = ParityStage("HTTP server", 4, replies, refusal, bits=True)
