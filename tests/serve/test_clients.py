"""The clients that people use get the texts of `chat`, whole and as streams. Each runs where it is installed.

`pip install trivium[clients]` and `npm install openai` beside this repository bring them.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from serving import behind_a_socket, catalog, tiny

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent
GREEDY = {"max_tokens": 12, "temperature": 0.0}
SAMPLED = {"max_tokens": 20, "temperature": 0.9, "seed": 7}
TURNS: list[list[dict[str, str]]] = [
    [{"role": "user", "content": "hi"}],
    [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Wie heißt du? 你好 \U0001f44b"}],
    [
        {"role": "user", "content": "<|end|> [MASK] </s>"},
        {"role": "assistant", "content": "No."},
        {"role": "user", "content": "two\n\nlines"},
    ],
    *([{"role": "user", "content": f"{'word ' * n}{n}"}] for n in range(1, 6)),
]


class Place:
    """A server with a decoder and an encoder, and what it has to say."""

    def __init__(self, address: str, chat: Callable[..., str], vector: list[float]) -> None:
        self.address, self.chat, self.vector = address, chat, vector


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with catalog({"llama": tiny(layers=1), "bert": tiny("bert")}, exact=True) as made, behind_a_socket(made) as found:
        chat, embed = made.served["llama"].model.chat, made.served["bert"].model.embed
        yield Place(
            found, lambda turns, max_tokens, **options: chat(turns, max_tokens, **options), embed(["hi"])[0].tolist()
        )


def alike(
    place: Place,
    whole: Callable[..., str],
    stream: Callable[..., str],
    *options: dict[str, Any],
    turns_of: Sequence[Any] = TURNS,
) -> None:
    """Compare what a client gets, whole and as a stream, with `chat`, on conversations."""
    wanted = [(turns, some, place.chat(turns, **some)) for turns in turns_of for some in options]
    assert sum(bool(want) for _, _, want in wanted) > 0.7 * len(wanted)
    for turns, some, want in wanted:
        assert (whole(turns, **some), stream(turns, **some)) == (want, want), turns


def test_openai_of_python(place: Place) -> None:
    import openai

    with openai.OpenAI(base_url=f"{place.address}/v1", api_key="none", max_retries=0) as client:
        create = client.chat.completions.create

        def whole(turns: Any, **options: Any) -> str:
            return create(model="llama", messages=turns, **options).choices[0].message.content or ""

        def stream(turns: Any, **options: Any) -> str:
            pieces = create(model="llama", messages=turns, stream=True, **options)
            return "".join(one.choices[0].delta.content or "" for one in pieces)

        alike(place, whole, stream, GREEDY, SAMPLED)
        vector = client.embeddings.create(model="bert", input="hi").data[0].embedding
    assert torch.allclose(torch.tensor(vector), torch.tensor(place.vector), atol=1e-6)


def test_openai_of_node(place: Place) -> None:
    node = shutil.which("node")
    if node is None or subprocess.run([node, "-e", "require('openai')"], cwd=HERE, capture_output=True).returncode:
        pytest.skip("node, or its package openai, is not installed: npm install openai")
    asked = [{"model": "llama", "messages": turns, **some} for turns in TURNS for some in (GREEDY, SAMPLED)]
    told = json.dumps([place.address, "bert", asked])
    ran = subprocess.run([node, HERE / "openai.cjs"], input=told, capture_output=True, text=True, timeout=120, cwd=HERE)
    assert ran.returncode == 0, ran.stderr
    found, vector = json.loads(ran.stdout)
    wanted = [place.chat(turns, **some) for turns in TURNS for some in (GREEDY, SAMPLED)]
    assert [one[:2] for one in found] == [[text, text] for text in wanted]
    assert all(reason in ("stop", "length") and count > 0 for _, _, reason, count in found)
    assert torch.allclose(torch.tensor(vector), torch.tensor(place.vector), atol=1e-6)


def test_anthropic(place: Place) -> None:
    anthropic = pytest.importorskip("anthropic")
    with anthropic.Anthropic(base_url=place.address, api_key="none", max_retries=0) as client:

        def asked(turns: Any, max_tokens: int, temperature: float) -> dict[str, Any]:
            system = {"system": turns[0]["content"]} if turns[0]["role"] == "system" else {}
            turns = [one for one in turns if one["role"] != "system"]
            given = {"model": "llama", "messages": turns, "max_tokens": max_tokens, **system}
            return {**given, "extra_body": {"temperature": temperature}}

        def whole(turns: Any, **options: Any) -> str:
            return client.messages.create(**asked(turns, **options)).content[0].text

        def stream(turns: Any, **options: Any) -> str:
            with client.messages.stream(**asked(turns, **options)) as pieces:
                text = "".join(pieces.text_stream)
                assert pieces.get_final_message().usage.output_tokens > 0
            return text

        alike(place, whole, stream, GREEDY)


def test_langchain(place: Place) -> None:
    langchain = pytest.importorskip("langchain_openai")

    def client(**options: Any) -> Any:
        return langchain.ChatOpenAI(
            base_url=f"{place.address}/v1", api_key="none", model="llama", max_retries=0, **options
        )

    def whole(turns: Any, **options: Any) -> str:
        return client(**options).invoke(turns).content

    def stream(turns: Any, **options: Any) -> str:
        return "".join(piece.content for piece in client(**options).stream(turns))

    alike(place, whole, stream, GREEDY, SAMPLED)
    vectors = langchain.OpenAIEmbeddings(
        base_url=f"{place.address}/v1", api_key="none", model="bert", check_embedding_ctx_length=False
    )
    assert torch.allclose(torch.tensor(vectors.embed_query("hi")), torch.tensor(place.vector), atol=1e-6)


def test_litellm(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    litellm = pytest.importorskip("litellm")
    where = {"model": "openai/llama", "api_base": f"{place.address}/v1", "api_key": "none", "num_retries": 0}

    def whole(turns: Any, **options: Any) -> str:
        return litellm.completion(messages=turns, **where, **options).choices[0].message.content

    def stream(turns: Any, **options: Any) -> str:
        pieces = litellm.completion(messages=turns, stream=True, **where, **options)
        return "".join(one.choices[0].delta.content or "" for one in pieces)

    alike(place, whole, stream, GREEDY, SAMPLED)
    vector = litellm.embedding(**{**where, "model": "openai/bert"}, input=["hi"]).data[0]["embedding"]
    assert torch.allclose(torch.tensor(vector), torch.tensor(place.vector), atol=1e-6)


def test_llm(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command and the library; a model of a server is a few lines of YAML."""
    monkeypatch.setenv("LLM_USER_PATH", str(tmp_path))
    monkeypatch.setenv("LLM_LOAD_PLUGINS", "")  # packages with weights may be there without what they need to run
    llm = pytest.importorskip("llm")
    about = f"- model_id: mine\n  model_name: llama\n  api_base: {place.address}/v1\n"
    (tmp_path / "extra-openai-models.yaml").write_text(about)
    model = llm.get_model("mine")

    def asked(stream: bool) -> Callable[..., str]:
        def text(turns: Any, **options: Any) -> str:
            system = turns[0]["content"] if turns[0]["role"] == "system" else None
            return model.prompt(turns[-1]["content"], system=system, stream=stream, key="none", **options).text()

        return text

    alike(place, asked(False), asked(True), GREEDY, SAMPLED, turns_of=[turns for turns in TURNS if len(turns) < 3])
    words = [sys.executable, "-m", "llm", "-m", "mine", "hi", "--no-log", "--key", "none"]
    options = ["-o", "temperature", "0", "-o", "max_tokens", "12"]
    for more in ([], ["--no-stream"]):
        told = subprocess.run(
            [*words, *options, *more], capture_output=True, text=True, timeout=120, env={**os.environ}
        )
        assert told.stdout.removesuffix("\n") == place.chat(TURNS[0], **GREEDY), told.stderr


def test_ollama(place: Place) -> None:
    ollama = pytest.importorskip("ollama")
    client = ollama.Client(host=place.address)

    def asked(turns: Any, max_tokens: int, **options: Any) -> dict[str, Any]:
        usual = {"top_k": 0, "top_p": 1.0} if options["temperature"] == 0 else {"top_k": 512, "top_p": 1.0}
        return {"model": "llama", "messages": turns, "options": {"num_predict": max_tokens, **usual, **options}}

    def whole(turns: Any, **options: Any) -> str:
        return client.chat(**asked(turns, **options)).message.content

    def stream(turns: Any, **options: Any) -> str:
        return "".join(one.message.content for one in client.chat(**asked(turns, **options), stream=True))

    alike(place, whole, stream, GREEDY)
    assert [one.model for one in client.list().models] == ["llama"]
