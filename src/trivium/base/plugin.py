"""Python files of a person's own: run each once, and say which of them a class comes from.

An error in such a file is one line with the file and the line. What its code raises later keeps its traceback.
"""

import importlib
import importlib.util
import pkgutil
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from trivium.base.errors import ConfigError, DataError
from trivium.base.files import fingerprint, sha256


class Source(NamedTuple):
    """A person's file as it was when it ran: its path, and the sha256 of its content."""

    path: Path
    sha256: str


IMPORTED: dict[str, Source] = {}
"""The files that have run, by the name of the module made of each."""


PROJECTS = {"PIL": "pillow"}
"""The packages whose project has another name."""


def members(package: str, path: Iterable[str]) -> list[str]:
    """Import every module of a package, so that their kinds join their families; return the modules' names."""
    names = sorted(module.name for module in pkgutil.iter_modules(path))
    for name in names:
        importlib.import_module(f"{package}.{name}")
    return names


def constants(package: str, constant: str) -> dict[str, Any]:
    """Return what each module of a package has under the name of a constant, by its `name`."""
    modules = members(package, importlib.import_module(package).__path__)
    found = [getattr(importlib.import_module(f"{package}.{module}"), constant) for module in modules]
    return {one.name: one for one in found}


def load(paths: Iterable[str | Path], where: str = "config") -> None:
    """Run Python files, each once, so that the kinds they define join their families.

    Raise ConfigError where a path is no Python file or its code raises; `where` says who names the files.
    """
    for path in paths:
        name = f"trivium_plugin_{Path(path).stem}_{fingerprint(str(Path(path).resolve()))}"
        spec = importlib.util.spec_from_file_location(name, path)
        if not Path(path).is_file() or spec is None or spec.loader is None:
            raise ConfigError(f"{where}: imports: {path}: no such Python file")
        if name in sys.modules:
            continue
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        IMPORTED[name] = Source(Path(path).resolve(), sha256(Path(path)))
        try:
            spec.loader.exec_module(module)
        except (Exception, SystemExit) as error:
            del sys.modules[name], IMPORTED[name]
            raise ConfigError(f"{where}: imports: {told(error, str(module.__file__))}") from error


def extra(module: str, what: str) -> Any:
    """Import a module of an optional package; a DataError says that `what` needs it, and how to install it.

    The hint names the package that is missing: an index may have another project under our name.
    """
    try:
        return importlib.import_module(module)
    except ImportError as missing:
        package = (missing.name or module).partition(".")[0]
        package = PROJECTS.get(package, package)
        raise DataError(f"{what} needs {package}: pip install {package}") from None


def paths() -> list[str]:
    """Return the paths of the files that have run, for another process to load."""
    return [str(source.path) for source in IMPORTED.values()]


def needed(classes: Iterable[type]) -> list[dict[str, str]]:
    """Return the `file` name and `sha256` of every file that defines one of the classes or a base of one."""
    modules = {base.__module__ for cls in classes for base in cls.__mro__}
    sources = [source for name, source in IMPORTED.items() if name in modules]
    return [{"file": source.path.name, "sha256": source.sha256} for source in sources]


def match(wanted: Any) -> list[str]:
    """Compare the files that a model needs with those that have run; return a warning for each that differs.

    `wanted` is what `needed` gave, read from a file; a file of the same hash matches under any name. Raise
    ConfigError where `wanted` has another form, or where no file of that hash or name has run.
    """
    warnings = []
    for entry in wanted if isinstance(wanted, list) else [wanted]:
        if not isinstance(entry, dict) or not all(isinstance(entry.get(key), str) for key in ("file", "sha256")):
            raise ConfigError(f"imports: expected a list of file and sha256, found {entry!r:.80}")
        name, digest = entry["file"], entry["sha256"]
        if any(source.sha256 == digest for source in IMPORTED.values()):
            continue
        if all(source.path.name != name for source in IMPORTED.values()):
            raise ConfigError(f"needs the kinds of {name!r}, which is not imported; give the file by --imports {name}")
        warnings.append(f"{name} is not the file that the model was saved with (sha256 {digest:.12})")
    return warnings


def told(error: BaseException, file: str) -> str:
    """Return a file, the innermost line in it of an error and the error, in one line."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    message = str(error)
    if isinstance(error, SyntaxError) and error.filename == file:
        lines, message = [error.lineno], error.msg
    at = f": line {lines[-1]}" if lines and lines[-1] else ""
    return f"{file}{at}: {type(error).__name__}" + (": " + "; ".join(message.split("\n")) if message else "")
