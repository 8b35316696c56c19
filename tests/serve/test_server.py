"""`trivium serve` as a process: it says where it listens, answers, and ends in order at a signal."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
import torch
from openai import OpenAI

import trivium
from serving import CHAT, tiny
from trivium.base.errors import ConfigError
from trivium.cli import run
from trivium.model.adapt import Lora, adapt, adapted
from trivium.serve.server import listen
from trivium.serve.settings import Settings


def test_a_port_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"cannot listen at 127.0.0.1, port {port}"):
            listen(Settings(port=port))


@contextmanager
def process(*words: str, **variables: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start `trivium serve`; yield the process and its address."""
    line = [sys.executable, "-m", "trivium", "serve", "--port", "0", *words]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True, env={**os.environ, **variables}) as found:
        try:
            assert found.stdout is not None
            while "http://" not in (text := found.stdout.readline()):
                assert text, "it ended before it listened"
            yield found, text.split()[-1]
        finally:
            found.kill()


@pytest.mark.slow
def test_the_command_serves_models_and_an_adapter_and_ends_at_a_signal(tmp_path: Path) -> None:
    model = tiny()
    model.save(tmp_path / "base")
    adapt(model.transformer, Lora(rank=2))
    for layer in adapted(model.transformer).values():
        torch.nn.init.normal_(layer.lora_b, std=0.5)
    model.save_adapter(tmp_path / "tuned", tmp_path / "base")
    tiny("t5").save(tmp_path / "other")
    folders = [str(tmp_path / name) for name in ("base", "tuned", "other")]
    asked = {**CHAT, "temperature": 0}
    with (
        process(*folders, TRIVIUM_API_KEY="k") as (found, address),
        OpenAI(base_url=f"{address}/v1", api_key="k") as client,
    ):
        assert [one.id for one in client.models.list()] == ["base", "tuned", "other"]
        texts = {}
        for name in ("base", "tuned", "other"):
            texts[name] = client.chat.completions.create(**{**asked, "model": name}).choices[0].message.content
            assert texts[name] == trivium.load(tmp_path / name).chat(CHAT["messages"], 8), name
        assert len({*texts.values()}) == 3
        long = client.chat.completions.create(**{**asked, "model": "base", "max_tokens": 100}, stream=True)
        next(iter(long))
        found.send_signal(signal.SIGTERM)
        reasons = [chunk.choices[0].finish_reason for chunk in long]
        assert reasons[-1] == "length"  # what was begun has come to its end
        assert found.wait(20) == 0
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2])))


LOADING = """
import time
from trivium.serve.served import Catalog
from trivium.serve.server import run
from trivium.serve.settings import Settings
run(Catalog(Settings(port={port})), lambda: time.sleep(100))
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_while_models_are_loaded(number: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with subprocess.Popen([sys.executable, "-c", LOADING.format(port=port)], stderr=subprocess.PIPE) as found:
        try:
            end = time.monotonic() + 200
            while time.monotonic() < end:
                with suppress(httpx.HTTPError):
                    assert httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False).status_code == 200
                    break
                time.sleep(0.05)
            for path in ("ready", "v1/models"):
                answer = httpx.get(f"http://127.0.0.1:{port}/{path}", trust_env=False)
                assert answer.status_code == 503 and answer.json()["error"]["code"] == "loading"
            found.send_signal(number)
            assert found.wait(30) in (0, -number if number == signal.SIGINT else 0)  # 0 where a shell ignores Ctrl-C
        finally:
            found.kill()


def test_what_cannot_be_served_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, message in (
        ([str(tmp_path / "none")], "no such"),
        ([str(tmp_path), "--host", "0.0.0.0"], "there is no key; set TRIVIUM_API_KEY"),
        (["a/x", "b/x"], "two models have the name 'x'"),
        (["a", "--memory", "0"], "memory"),
    ):
        assert run(["serve", "--port", "0", *words]) == 2
        told = capsys.readouterr().err
        assert message in told and len(told.splitlines()) == 1, told


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert run(["serve", "a"]) == 2
    assert capsys.readouterr().err == "error: trivium serve needs uvicorn: pip install uvicorn\n"
