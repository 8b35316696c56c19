"""Chat completions say what `trivium chat` says, whole and in pieces, and honour or refuse each field."""

from collections.abc import Iterator
from typing import Any

import pytest
from openai import OpenAI

from serving import CHAT, behind_a_socket, catalog, post
from trivium.serve.served import Catalog


@pytest.fixture(scope="module")
def made() -> Iterator[Catalog]:
    with catalog() as found:
        yield found


def said(made: Catalog, **changes: Any) -> dict[str, Any]:
    answer = post(made, "/v1/chat/completions", {**CHAT, **changes})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_an_answer_is_that_of_chat(made: Catalog) -> None:
    model = made.served["llama"].model
    for options in ({"temperature": 0}, {"temperature": 0.9, "seed": 3}, {"temperature": 1, "top_k": 5, "seed": 4}):
        want = model.chat(CHAT["messages"], 8, **options)
        assert said(made, **options)["choices"][0]["message"] == {"role": "assistant", "content": want, "refusal": None}


def test_the_client_of_openai_gets_the_same_whole_and_in_pieces(made: Catalog) -> None:
    want = made.served["llama"].model.chat(CHAT["messages"], 8, temperature=0)
    with behind_a_socket(made) as address, OpenAI(base_url=f"{address}/v1", api_key="none") as client:
        assert [one.id for one in client.models.list()] == ["llama"]
        whole = client.chat.completions.create(**CHAT, temperature=0)
        assert whole.choices[0].message.content == want and whole.choices[0].finish_reason == "length"
        pieces = list(client.chat.completions.create(**CHAT, temperature=0, stream=True))
        assert "".join(one.choices[0].delta.content or "" for one in pieces) == want
