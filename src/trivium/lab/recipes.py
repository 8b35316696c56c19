"""The recipes and tours that come with Trivium: list them, copy them. In a wheel they lie inside the package."""

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from trivium.base.errors import ConfigError
from trivium.base.files import write_text

HOME = Path(__file__).parents[1]
KINDS = {"recipes": "*.toml", "tours": "*.py"}


def root() -> Path:
    """Return the folder in which `recipes`, `tours` and `learn` lie: the package of a wheel, or a checkout."""
    return HOME if (HOME / "recipes").is_dir() else HOME.parents[1]


def shipped() -> dict[str, Path]:
    """Return every file that comes with Trivium by its place: `recipes/llama-tiny.toml`, `tours/3_attention.py`."""
    return {
        f"{kind}/{path.name}": path for kind, names in KINDS.items() for path in sorted((root() / kind).glob(names))
    }


def listing() -> Iterator[str]:
    """Yield a line for each file: its place, and its first sentence."""
    for place, path in shipped().items():
        text = path.read_text(encoding="utf-8")
        first = (ast.get_docstring(ast.parse(text)) or "") if path.suffix == ".py" else text.removeprefix("# ")
        yield f"{place:<36} {re.split(r'(?<=[.]) ', first.splitlines()[0])[0]}"


def copy(names: Sequence[str], out: Path, force: bool = False) -> list[Path]:
    """Copy files by name (`llama-tiny`; none: all) below `out`, in `recipes` and `tours`; return their paths.

    A recipe brings its base. A file that is there already, and differs, is a ConfigError unless `force`; nothing is
    copied then.
    """
    files = shipped()
    stems = {Path(place).stem: place for place in files}
    if unknown := [name for name in names if name not in files and name not in stems]:
        raise ConfigError(f"{unknown[0]}: no recipe or tour has this name; `trivium recipes` lists them")
    wanted = [name if name in files else stems[name] for name in names] or list(files)
    texts = {place: files[place].read_text(encoding="utf-8") for place in wanted}
    for place, text in list(texts.items()):
        if base := re.search(r'^base = "(.+)"', text, re.MULTILINE):
            beside = f"{Path(place).parent.as_posix()}/{base[1]}"
            texts[beside] = files[beside].read_text(encoding="utf-8")
    for place, text in texts.items():
        if not force and (out / place).exists() and (out / place).read_text(encoding="utf-8") != text:
            raise ConfigError(f"{out / place}: is there already, with other text; --force replaces it")
    for place, text in texts.items():
        write_text(out / place, text)
    return [out / place for place in texts]
