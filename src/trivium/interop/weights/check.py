"""What a model folder's weights must be: finite, and those that trivium wrote, by the hashes in its trivium.json."""

from pathlib import Path

from torch import nn

from trivium.base import files, integrity
from trivium.base.errors import ModelError, NumericsError
from trivium.model.weights import State, collect, finite

OURS, HASHES = "trivium.json", "xxh3_128"
"""The file that has the hashes of the weights, and its key for them."""


def hashes(folder: Path) -> dict[str, str]:
    """Return the hash of each safetensors file in a folder, by its name there."""
    return {name: files.xxh3(folder / name) for name in _names(folder)}


def sound(state: State, folder: Path, then: str) -> State:
    """Return a state whose numbers are all finite; else raise NumericsError, which ends with `then`."""
    if bad := [name for name, tensor in state.items() if not finite(tensor)]:
        raise NumericsError(
            f"{folder}: the weight {bad[0]} is not finite ({len(bad)} of {len(state)} weights are not), so the model "
            f"computes nothing; train it with a lower optim.lr; {then}"
        )
    return state


def verify(folder: Path, model: nn.Module) -> None:
    """Compare the weights of a folder with its hashes; without hashes, see that those of the loaded model are finite.

    Folders of other programs and of earlier versions have no hashes; what has was finite when it was written. Raise
    ModelError for a file that differs, NumericsError for weights that are not finite.
    """
    about = files.read_json(folder / OURS, ModelError) if (folder / OURS).is_file() else None
    known = about.get(HASHES) if isinstance(about, dict) else None
    if known is None and integrity.verifying():
        sound(collect(model), folder, integrity.TAKE)
    if known is None:
        return
    wanted = {name: str(known.get(name)) if isinstance(known, dict) else "" for name in _names(folder)}
    if (path := integrity.changed(folder, wanted)) is not None:
        raise ModelError(f"{path}: changed since trivium wrote it, or damaged; {integrity.TAKE}")


def _names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.safetensors"))
