"""`hf:OWNER/NAME` stands wherever a model folder may stand; `push` sends a folder there."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

import small
import trivium
from standin import Hub, connect, serving
from trivium.base.errors import TriviumError
from trivium.cli import app

ROWS = [{"question": f"say {word}", "answer": word} for word in ("one", "two", "three", "four")]


@pytest.fixture(name="hub")
def _hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub with a small LLaMA, a second revision of it, and an encoder; commands run in `tmp_path`."""
    monkeypatch.chdir(tmp_path)
    small.rows(tmp_path / "rows.jsonl", ROWS)
    (tmp_path / "lines.txt").write_text("one\ntwo\n")
    (tmp_path / "text").mkdir()
    for word in ("a crane", "a rail"):
        (tmp_path / "text" / f"{word}.txt").write_text(f"There is {word} at the river.")
    with serving() as hub:
        connect(monkeypatch, hub.url, tmp_path / "cache")
        first, second = small.model("llama"), small.model("llama")
        second.transformer.tokens.weight.data *= -1
        hub.put("me/llama", first.save(tmp_path / "first"))
        hub.put("me/llama", second.save(tmp_path / "second"), "v1")
        hub.put("me/bert", small.folder(tmp_path, "bert"))
        yield hub


def said(*words: str, code: int = 0) -> str:
    """Run a command and return what it printed, or the line of its error."""
    done = CliRunner().invoke(app, list(words))
    if isinstance(done.exception, TriviumError):
        assert done.exception.exit_code == code, done.exception
        return str(done.exception)
    assert done.exit_code == code, f"{done.output}\n{done.exception!r}"
    return done.stdout


def test_every_command_that_takes_a_model_takes_one_of_the_hub(hub: Hub, tmp_path: Path) -> None:
    for words in (
        ["generate", "hf:me/llama", "--prompt", "one", "--max-new-tokens", "2"],
        ["chat", "hf:me/llama", "--max-new-tokens", "2"],
        ["show", "hf:me/llama"],
        ["fill", "hf:me/bert", "on [MASK]"],
        ["embed", "hf:me/bert", "--input", "lines.txt", "-o", "v.npy"],
        ["import", "hf:me/llama", "-o", "mine"],
        ["tokenizer", "eval", "hf:me/llama", "lines.txt"],
        ["prepare", "text", "-o", "data", "--tokenizer", "hf:me/llama", "--valid-share", "0.5", "--workers", "1"],
        ["evaluate", "hf:me/llama", "--data", "rows.jsonl", "--task", "chat"],
        ["predict", "hf:me/llama", "--input", "rows.jsonl", "--task", "chat", "-o", "said.jsonl"],
    ):
        said(*words)
    assert (trivium.load("mine").logits([[5]]) == trivium.load("hf:me/llama").logits([[5]])).all()


def test_a_revision_is_taken_by_option_and_by_name(hub: Hub) -> None:
    words = ["generate", "--prompt", "one", "--max-new-tokens", "8", "hf:me/llama"]
    main, first = said(*words), said("generate", "second", "--prompt", "one", "--max-new-tokens", "8")
    assert main != first == said(*words, "--revision", "v1") == said(*words[:-1], "hf:me/llama@v1")
    assert "the model has no revision 'v2'" in said(*words, "--revision", "v2", code=2)
    assert "names a revision already" in said(*words[:-1], "hf:me/llama@v1", "--revision", "v1", code=2)
    assert said(*words[:-1], "first", "--revision", "v1", code=2).startswith("--revision: expected a model of the hub")


def test_an_adapter_of_a_model_of_the_hub_names_it_as_peft_does(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["--data", "rows.jsonl", "--lora", "2", "budget_steps=2", "batch_tokens=64", "-o", "run"]
    said("finetune", "chat", "--model", "hf:me/llama", *words)
    config = json.loads(Path("run/adapter/adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "me/llama"
    trained = trivium.load("run/model").logits([[5]])
    connect(monkeypatch, hub.url, Path("cache").absolute(), offline=True)
    assert trivium.load("run/adapter").logits([[5]]) == pytest.approx(trained, abs=1e-5), "the base is in the cache"
    connect(monkeypatch, hub.url, Path("another").absolute(), offline=True)
    assert "trivium import hf:me/llama -o run/llama" in said("show", "run/adapter", code=2)
    hub.put("me/adapter", Path("run/adapter"))
    connect(monkeypatch, hub.url, Path("a third").absolute())
    assert trivium.load("hf:me/adapter").logits([[5]]) == pytest.approx(trained, abs=1e-5), "fetched with its base"


def test_push_sends_a_model_folder(hub: Hub) -> None:
    assert said("push", "first", "me/mine").startswith(f"pushed: {hub.url}/me/mine/commit/")
    assert "config.json already; --force" in said("push", "second", "me/mine", code=2)
    said("push", "second", "me/mine", "--force", "--private")
    assert hub.models["me/mine"]["main"]["model.safetensors"] == Path("second/model.safetensors").read_bytes()
