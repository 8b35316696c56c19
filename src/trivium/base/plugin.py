"""A person's own Python file: run once, and what goes wrong in running it told as one line with the file and the line.

Knows nothing of kinds. What the file's code does later is its author's to debug, with a traceback.
"""

import importlib
import importlib.util
import pkgutil
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path

from trivium.base.errors import ConfigError
from trivium.base.files import fingerprint


def members(package: str, path: Iterable[str]) -> list[str]:
    """Import every module of a package, so that the kinds in them join their families; return their names."""
    names = sorted(module.name for module in pkgutil.iter_modules(path))
    for name in names:
        importlib.import_module(f"{package}.{name}")
    return names


def run(path: str | Path, where: str) -> None:
    """Run a Python file as a module of its own, twice is once; whatever it raises is one ConfigError."""
    name = f"trivium_plugin_{Path(path).stem}_{fingerprint(str(Path(path).resolve()))}"
    spec = importlib.util.spec_from_file_location(name, path)
    if not Path(path).is_file() or spec is None or spec.loader is None:
        raise ConfigError(f"{where}: imports: {path}: no such Python file")
    if name in sys.modules:
        return
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise ConfigError(f"{where}: imports: {_told(error, str(module.__file__))}") from error


def _told(error: BaseException, file: str) -> str:
    """The file, the innermost line in it, and what was raised there, in one line."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    message = str(error)
    if isinstance(error, SyntaxError) and error.filename == file:
        lines, message = [error.lineno], error.msg
    at = f": line {lines[-1]}" if lines and lines[-1] else ""
    return f"{file}{at}: {type(error).__name__}" + (": " + "; ".join(message.split("\n")) if message else "")
