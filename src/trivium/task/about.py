"""What a model folder tells of the data of its run: names and sizes, and never where the data lie."""

from pathlib import Path
from typing import Any

from trivium.base.folder import is_hub
from trivium.corpus.read.hub import place
from trivium.data.shards import read_manifest
from trivium.train.recipe import Recipe

SHARE = 0.01
"""The share of the bytes from which on a language is named."""


def data_facts(recipe: Recipe) -> list[dict[str, Any]]:
    """Return for each data folder its name, the size of its training split, its languages, and its sets of the hub.

    Of a file of rows there is the name alone.
    """
    if recipe.objective.reads != "documents":
        return [{"name": Path(path).name} for path in recipe.data.path]
    return [_folder(Path(path)) for path in recipe.data.path]


def _folder(path: Path) -> dict[str, Any]:
    manifest = read_manifest(path)
    lines = manifest["splits"]["train"]
    facts: dict[str, Any] = {"name": path.resolve().name}
    facts |= {key: sum(line[key] for line in lines) for key in ("documents", "tokens", "bytes")}
    sizes = {code: found["bytes"] for code, found in manifest.get("report", {}).get("languages", {}).items()}
    facts["languages"] = [code for code, size in sizes.items() if size >= SHARE * sum(sizes.values())]
    facts["hub"] = sorted({place(name).name for names in manifest.get("sources", []) for name in names if is_hub(name)})
    return facts
