"""A model of the hub is fetched, cached and refused as `huggingface_hub` does it; only the prefix asks the network."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from standin import Hub, connect, serving
from trivium.base.errors import ModelError
from trivium.base.folder import cached, hint, is_hub, kind_of, model_folder


@pytest.fixture(name="hub", scope="module")
def _hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A hub with one model, of which a second revision exists, and what else such repositories hold."""
    folder = tmp_path_factory.mktemp("served")
    for name in ("config.json", "tokenizer.json", "chat_template.jinja", "model.safetensors", "README.md", "own.py"):
        (folder / name).write_text(name)
    for name in ("pytorch_model.bin", "onnx/model.json", "consolidated.safetensors", "1_Pooling/config.json"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(name)
    with serving() as hub:
        hub.put("me/small", folder)
        hub.put("me/small", folder, "v1", **{"config.json": b"the first"})
        hub.put("me/pickled", folder, **{"model.safetensors": None})
        hub.put("me/gated", folder)
        hub.gated.add("me/gated")
        yield hub


def test_a_model_of_the_hub_is_fetched_once_without_code_and_pickles(hub, tmp_path, monkeypatch):
    connect(monkeypatch, hub.url, tmp_path)
    folder = model_folder("hf:me/small")
    wanted = {"config.json", "tokenizer.json", "chat_template.jinja", "model.safetensors", "1_Pooling/config.json"}
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == wanted
    assert (folder / "model.safetensors").read_text() == "model.safetensors"
    hub.asked.clear()
    assert model_folder(Path("hf:me/small")) == folder
    assert not any("resolve" in line for line in hub.asked), "what is in the cache is not fetched again"


def test_a_revision_is_a_branch_a_tag_or_a_commit(hub, tmp_path, monkeypatch):
    connect(monkeypatch, hub.url, tmp_path)
    first = model_folder("hf:me/small@v1")
    assert (first / "config.json").read_text() == "the first"
    assert model_folder(f"hf:me/small@{first.name}") == first
    with pytest.raises(ModelError, match=r"^hf:me/small@v2: the model has no revision 'v2'; expected a branch"):
        model_folder("hf:me/small@v2")


def test_a_tokenizer_costs_no_weights(hub, tmp_path, monkeypatch):
    connect(monkeypatch, hub.url, tmp_path)
    assert not list(model_folder("hf:me/pickled", weights=False).glob("*.safetensors"))


def test_the_cache_serves_offline(hub, tmp_path, monkeypatch):
    connect(monkeypatch, hub.url, tmp_path)
    folder = model_folder("hf:me/small")
    hub.asked.clear()
    connect(monkeypatch, hub.url, tmp_path, offline=True)
    assert model_folder("hf:me/small") == folder == cached("me/small")
    with pytest.raises(ModelError, match=r"^hf:me/other: is not whole in the cache, and the hub is not reached"):
        model_folder("hf:me/other")
    assert cached("me/other") is cached("not a name") is None
    assert not hub.asked


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("hf:me/nothing", "no such model on the hub, or a private one"),
        ("hf:me/gated", "is gated: accept its terms"),
        ("hf:me/pickled", r"holds no model\.safetensors; pickled weights .* are never read"),
        ("hf:a/b/c", "expected hf:OWNER/NAME or hf:OWNER/NAME@REVISION"),
        ("hf:", "expected hf:OWNER/NAME"),
    ],
)
def test_what_the_hub_does_not_give_is_one_line(hub, tmp_path, monkeypatch, name, why):
    connect(monkeypatch, hub.url, tmp_path)
    with pytest.raises(ModelError, match=f"^{name}: {why}") as error:
        model_folder(name)
    assert "\n" not in str(error.value)


def test_a_hub_that_does_not_answer_is_one_line(tmp_path, monkeypatch):
    connect(monkeypatch, "http://127.0.0.1:9", tmp_path)
    with pytest.raises(ModelError, match=r"^hf:me/small: is not whole in the cache, and the hub is not reached"):
        model_folder("hf:me/small")


def test_a_name_without_the_prefix_never_asks_the_network(hub, tmp_path, monkeypatch):
    connect(monkeypatch, hub.url, tmp_path)
    hub.asked.clear()
    assert model_folder("me/small") == model_folder(Path("me/small")) == Path("me/small")
    assert hint("me/small") == "; for the model of the hub write hf:me/small"
    assert hint("small") == hint("./me/small") == hint("/me/small") == hint("a/b/c") == hint("hf:me/small") == ""
    assert is_hub("hf:me/small") and is_hub(Path("hf:me/small")) and not is_hub("me/small")
    assert not hub.asked


def test_the_variables_of_huggingface_hub_count(hub, tmp_path):
    code = "from trivium.base.folder import model_folder; print(model_folder('hf:me/small'))"
    own = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "NO_PROXY": "127.0.0.1", "HF_HUB_OFFLINE": "0"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | own, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(str(tmp_path / "home" / "hub" / "models--me--small"))


def test_a_run_folder_stands_for_its_model(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "recipe.json").write_text("{}")
    with pytest.raises(ModelError, match=r"run: this run has no model yet; .* --resume"):
        model_folder(run)
    (run / "model").mkdir()
    assert model_folder(run) == run / "model" and model_folder(tmp_path) == tmp_path
    (run / "config.json").write_text("{}")
    assert model_folder(run) == run


def test_what_lies_at_a_path_is_told_in_words(tmp_path: Path) -> None:
    for name, what in (("config.json", "a model folder"), ("manifest.json", "a data folder")):
        (tmp_path / what).mkdir()
        (tmp_path / what / name).touch()
        assert kind_of(tmp_path / what) == what and kind_of(tmp_path / what / name) == "a file"
    assert kind_of(tmp_path) == "a folder"
