"""A model folder goes to the hub and comes back; what is no model does not, and nothing there is replaced unasked."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import small
import trivium
from standin import Hub, connect, serving
from trivium.base.errors import ModelError
from trivium.base.integrity import STAMP
from trivium.interop.push import push


@pytest.fixture(name="hub")
def _hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """An empty hub, which this process talks to."""
    with serving() as hub:
        connect(monkeypatch, hub.url, tmp_path / "cache")
        yield hub


def test_a_pushed_model_comes_back_by_its_name(hub: Hub, tmp_path: Path) -> None:
    folder = small.folder(tmp_path, "llama")
    assert push(folder, "me/mine").startswith(f"{hub.url}/me/mine/commit/")
    assert hub.models["me/mine"]["main"].keys() - {".gitattributes"} == {path.name for path in folder.iterdir()} - {
        STAMP
    }
    with pytest.raises(ModelError, match=r"^me/mine: no such model folder; .* hub write hf:me/mine$"):
        trivium.load("me/mine")
    ours, theirs = trivium.load(folder), trivium.load("hf:me/mine")
    assert ours.generate("a", 8) == theirs.generate("a", 8)
    assert (ours.logits([[5, 9]]) == theirs.logits([[5, 9]])).all()


def test_a_repository_with_files_is_left_alone(hub: Hub, tmp_path: Path) -> None:
    folder = small.folder(tmp_path, "llama")
    push(folder, "hf:me/mine")
    (folder / "README.md").write_text("another card")
    with pytest.raises(ModelError, match=r"^hf:me/mine: holds config\.json already; --force puts a new commit on top$"):
        push(folder, "me/mine")
    assert hub.models["me/mine"]["main"]["README.md"] != b"another card"
    push(folder, "me/mine", force=True)
    assert hub.models["me/mine"]["main"]["README.md"] == b"another card"


def test_what_is_no_model_is_not_pushed(hub: Hub, tmp_path: Path) -> None:
    folder = small.folder(tmp_path, "llama")
    (folder / "notes.txt").write_text("mine alone")
    with pytest.raises(ModelError, match=r"holds notes\.txt, which is no part of a model; only models are pushed"):
        push(folder, "me/mine")
    (folder / "notes.txt").unlink()
    (folder / "model.safetensors").write_bytes(b"cut")
    with pytest.raises(ModelError, match="not a whole safetensors file"):
        push(folder, "me/mine")
    with pytest.raises(ModelError, match=r"hf:me/small: lies on the hub already"):
        push("hf:me/small", "me/mine")
    assert hub.models == {} and hub.asked == []


def test_a_hub_that_refuses_is_one_line(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = small.folder(tmp_path, "llama")
    monkeypatch.setattr(hub, "answer", lambda *_: (401, b'{"error": "Invalid username or password."}', {}))
    with pytest.raises(ModelError, match=r"^hf:me/mine: .*log in \(`hf auth login`.*\)$"):
        push(folder, "me/mine")
    with pytest.raises(ModelError, match=r"^hf:not a name: expected hf:OWNER/NAME"):
        push(folder, "not a name")
