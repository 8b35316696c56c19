"""The server counts requests and tokens, and its log has no prompt unless that is asked for."""

import json

import pytest
import torch

from serving import CHAT, ask, catalog, post, tiny


def test_requests_and_tokens_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    with catalog() as made:
        done = ask(made, lambda client: client.post("/v1/chat/completions", json={**CHAT, "temperature": 0}))[0].json()[
            "usage"
        ]
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert line["model"] == "llama" and line["status"] == 200 and line["written"] == done["completion_tokens"] == 8
    assert line["read"] == done["prompt_tokens"] and line["route"] == "/v1/chat/completions"


def test_guesses_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """A model with weights of zero writes one id again and again: each guess is right."""
    silent = tiny()
    with torch.no_grad():
        for part in silent.transformer.parameters():
            part.zero_()

    async def both(client):
        await client.post("/v1/chat/completions", json={**CHAT, "max_tokens": 32, "temperature": 0})
        return (await client.get("/metrics")).text

    with catalog({"llama": silent}) as made:
        text = ask(made, both)[0]
    line = json.loads(capsys.readouterr().out.splitlines()[0])
    assert 20 < line["right"] <= line["guessed"] < 32
    assert f'trivium_tokens_total{{kind="right",model="llama"}} {line["right"]:.1f}' in text


@pytest.mark.parametrize("kept", [True, False])
def test_prompts_are_logged_only_on_demand(kept: bool, capsys: pytest.CaptureFixture[str]) -> None:
    with catalog(log_prompts=kept) as made:
        post(made, "/v1/chat/completions", {**CHAT, "messages": [{"role": "user", "content": "secret"}]})
    assert ("secret" in capsys.readouterr().out) == kept


def test_prometheus_reads_the_numbers() -> None:
    async def both(client):
        await client.post("/v1/chat/completions", json=CHAT)
        await client.get("/nothing/of/that/kind")
        return (await client.get("/metrics")).text

    with catalog() as made:
        text = ask(made, both)[0]
    assert 'trivium_requests_total{path="/v1/chat/completions",status="200"} 1.0' in text
    assert 'trivium_requests_total{path="other",status="404"} 1.0' in text
    assert 'trivium_tokens_total{kind="written",model="llama"} 8.0' in text
    assert 'trivium_rows{model="llama",state="waiting"} 0.0' in text
