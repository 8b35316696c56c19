"""The files of a tokenizer folder beside tokenizer.json: its configuration, and its chat templates by name.

Old folders keep the templates in tokenizer_config.json, one as a text or several as a list; new ones in
chat_template.jinja, which is the default, and in additional_chat_templates. Where both say something, the files win.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trivium.base import files
from trivium.base.errors import DataError

DEFAULT = "default"
TEMPLATE, TEMPLATES = "chat_template.jinja", "additional_chat_templates"
CONFIGS = ("special_tokens_map.json", "tokenizer_config.json")


def read_config(folder: Path) -> dict[str, Any]:
    """Return the configuration of a tokenizer folder, empty where it has none; else a DataError."""
    config: dict[str, Any] = {}
    for name in CONFIGS:
        if (folder / name).is_file():
            table = files.read_json(folder / name)
            if not isinstance(table, dict):
                raise DataError(f"{folder / name}: expected an object, found {type(table).__name__}")
            config.update({key: value for key, value in table.items() if value is not None or key not in config})
    return config


def read_templates(said: Any, folder: Path) -> dict[str, str]:
    """Return the chat templates of a folder by name; `said` is what its configuration says of them.

    Raises DataError for what is no template.
    """
    place = folder / CONFIGS[-1]
    found: dict[str, str] = {}
    for entry in said if isinstance(said, list) else [{"name": DEFAULT, "template": said}] if said else []:
        name, text = (entry.get(key) if isinstance(entry, dict) else None for key in ("name", "template"))
        if not isinstance(name, str) or not isinstance(text, str):
            raise DataError(
                f'{place}: chat_template: expected a text, or a list of {{"name": ..., "template": ...}}, '
                f"found {entry if isinstance(said, list) else said!r:.80}"
            )
        found[name] = text
    single = [folder / TEMPLATE] if (folder / TEMPLATE).is_file() else []
    for file in (*single, *sorted((folder / TEMPLATES).glob("*.jinja"))):
        try:
            found[DEFAULT if file in single else file.stem] = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as failed:
            raise DataError(f"{file}: cannot be read as a chat template: {failed}") from None
    return found


def write_templates(default: str | None, named: Mapping[str, str], folder: Path) -> None:
    """Write the chat templates of a folder; a name that is no plain file name is a DataError."""
    if wrong := [name for name in named if not re.fullmatch(r"\w[\w.+ -]*", name)]:
        raise DataError(
            f"chat template {wrong[0]!r}: expected a name of letters, digits and '_.+-' to write it as a file"
        )
    if default:
        files.write_text(folder / TEMPLATE, default)
    for name, text in named.items():
        files.write_text(folder / TEMPLATES / f"{name}.jinja", text)
