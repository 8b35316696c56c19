"""Push a model folder to the Hugging Face hub, with the login, endpoint and uploads of `huggingface_hub`."""

from pathlib import Path

from trivium.base.errors import ModelError
from trivium.base.folder import HUB, is_hub, model_folder, reason
from trivium.base.integrity import STAMP
from trivium.interop import hub
from trivium.interop.adapter.save import CONFIG, WEIGHTS

FRESH = {".gitattributes", "README.md"}
"""The files that a new repository of the hub has."""


def push(folder: str | Path, name: str, private: bool = False, force: bool = False) -> str:
    """Upload a model folder, or an adapter's, as the repository `name` of the hub; return the address of the commit.

    The folder is loaded first. Raise ModelError for a folder with files that are no part of a model, for a repository
    that holds files already (`force` puts a commit on top of them), and where the hub refuses.
    """
    import huggingface_hub

    if is_hub(folder):
        raise ModelError(f"{folder}: lies on the hub already; expected a model folder of this machine")
    folder, name = model_folder(folder), name.removeprefix(HUB)
    hub.load(folder, dtype=None)
    own = {CONFIG, WEIGHTS}
    if other := sorted(f.name for f in folder.iterdir() if not hub.WRITTEN.fullmatch(f.name) and f.name not in own):
        raise ModelError(f"{folder}: holds {other[0]}, which is no part of a model; only models are pushed")
    api = huggingface_hub.HfApi()
    try:
        name = api.create_repo(name, private=private, exist_ok=True).repo_id
        there = sorted(set(api.list_repo_files(name)) - FRESH)
        if there and not force:
            raise ModelError(f"{HUB}{name}: holds {there[0]} already; --force puts a new commit on top")
        done = api.upload_folder(
            repo_id=name, folder_path=folder, ignore_patterns=STAMP, commit_message="Upload a model made with Trivium"
        )
    except ModelError:
        raise
    except Exception as failed:  # a library that uses a network may raise anything
        raise ModelError(f"{HUB}{name}: {reason(failed, wanted='pushed')}") from failed
    return str(done.commit_url)
