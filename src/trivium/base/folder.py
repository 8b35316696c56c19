"""Where a model lies: a folder of this machine, or `hf:OWNER/NAME[@REVISION]`, a model of the Hugging Face hub.

Only the prefix `hf:` reaches the network, so a mistyped folder never does. The cache, the offline mode
(HF_HUB_OFFLINE=1), the endpoint and the login are those of `huggingface_hub`. Only safetensors and texts are fetched.
"""

import re
from pathlib import Path

from trivium.base.errors import ModelError

HUB = "hf:"
TEXTS = ["*.json", "*.jinja"]
WEIGHTS = ["model*.safetensors", "adapter_model.safetensors", "[0-9]_*/*.safetensors"]
"""The weights of a model, of an adapter, and of the modules of sentence-transformers."""
OTHER = ["*/*/*", "onnx/*", "openvino/*", "original/*"]
"""What else lies in repositories: weights of other programs."""


def is_hub(name: str | Path) -> bool:
    """Return whether a name begins with `hf:`."""
    return str(name).startswith(HUB)


def model_folder(name: str | Path, weights: bool = True) -> Path:
    """Return the folder that a name stands for; a model of the hub is fetched first, or taken from the cache.

    A run folder stands for its model. Without `weights` only the texts are fetched: a tokenizer needs no more. Raise
    ModelError in one line where the hub has no such model or revision, where it cannot be reached, and where the model
    has no safetensors.
    """
    return _fetched(_text(name), weights) if is_hub(name) else _of_run(Path(name))


def _of_run(folder: Path) -> Path:
    """Return the model of a run folder, and any other path as it is."""
    if not (folder / "recipe.json").is_file() or (folder / "config.json").is_file():
        return folder
    if (folder / "model").is_dir():
        return folder / "model"
    raise ModelError(f"{folder}: this run has no model yet; the command that began it goes on with --resume")


def kind_of(path: Path) -> str:
    """Return what lies at a path, in words, so that an error can say what it is instead of what was expected."""
    if path.is_file():
        return "a file"
    files = {
        "config.json": "a model folder",
        "recipe.json": "a run folder",
        "manifest.json": "a data folder",
        "adapter_config.json": "an adapter folder",
        "tokenizer.json": "a tokenizer folder",
    }
    return next((what for name, what in files.items() if (path / name).is_file()), "a folder")


def holds(path: Path, most: int = 5) -> str:
    """Return the first names in a folder, and how many more there are."""
    names = sorted(f"{one.name}/" if one.is_dir() else one.name for one in path.iterdir())
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more if names else "nothing"


def hint(name: str | Path) -> str:
    """Return what to do about a folder that does not exist: for OWNER/NAME, how a model of the hub is written."""
    text = _text(name)
    return f"; for the model of the hub write {HUB}{text}" if re.fullmatch(r"\w[\w.-]*/[\w.-]+", text) else ""


def cached(name: str) -> Path | None:
    """Return the folder of a model of the hub (OWNER/NAME) if it is whole in the cache; the network is not asked."""
    try:
        return _snapshot(name, None, TEXTS + WEIGHTS, local=True)
    except (OSError, ValueError):
        return None


def _text(name: str | Path) -> str:
    return name.as_posix() if isinstance(name, Path) else name


def _snapshot(name: str, revision: str | None, wanted: list[str], local: bool = False) -> Path:
    from huggingface_hub import snapshot_download

    return Path(
        snapshot_download(name, revision=revision, allow_patterns=wanted, ignore_patterns=OTHER, local_files_only=local)
    )


def _fetched(name: str, weights: bool) -> Path:
    repository, _, revision = name.removeprefix(HUB).partition("@")
    try:
        folder = _snapshot(repository, revision or None, TEXTS + (WEIGHTS if weights else []))
    except Exception as failed:  # a library that uses a network may raise anything
        raise ModelError(f"{name}: {reason(failed, revision)}") from failed
    if weights and not any(folder.rglob("*.safetensors")):
        raise ModelError(
            f"{name}: holds no model.safetensors; pickled weights (.bin, .pt) are never read, they can run code; "
            "take a revision that has safetensors, or convert the model"
        )
    return folder


def reason(failed: Exception, revision: str = "", wanted: str = "fetched") -> str:
    """Return in one line why the hub refused; `revision` is what was asked for, `wanted` what was to be done."""
    from huggingface_hub import errors

    match failed:
        case errors.GatedRepoError():
            return "is gated: accept its terms on its page of the hub, then log in (`hf auth login`, or set HF_TOKEN)"
        case errors.RepositoryNotFoundError():
            return "no such model on the hub, or a private one: check the name, or log in (`hf auth login`)"
        case errors.HfHubHTTPError() if failed.response is not None and failed.response.status_code in (401, 403):
            return "the hub asks who you are, or you may not do this: log in (`hf auth login`, or set HF_TOKEN)"
        case errors.RevisionNotFoundError():
            return f"the model has no revision {revision!r}; expected a branch, a tag or a commit"
        case errors.LocalEntryNotFoundError():
            return "is not whole in the cache, and the hub is not reached (no network, or HF_HUB_OFFLINE=1)"
        case errors.HFValidationError():
            return f"expected {HUB}OWNER/NAME or {HUB}OWNER/NAME@REVISION"
        case _:
            line = next((line.strip() for line in str(failed).splitlines() if line.strip()), "")
            return f"cannot be {wanted}: {line[:300] or type(failed).__name__}"
