"""The embedded corpus: the documentation inside the installed Python packages.

One Document per module: the docstrings of the standard library and of the packages installed with torch (torch, sympy,
networkx, numpy, ...), the language topics of `pydoc`, and the docstrings of modules in C. Each docstring stands under
the full name of its object, so a model can learn which text belongs to which name.

Source files of third parties are parsed, never imported. On one installation every run yields the same documents in the
same order.
"""

import ast
import importlib
import importlib.metadata
import inspect
import io
import os
import pkgutil
import re
import sys
import sysconfig
import types
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path, PurePosixPath

from trivium.base.process import processes
from trivium.base.types import Document

ROOTS = ("torch", "numpy")
"""Distributions that are read beside the standard library, together with their requirements."""

SKIPPED = frozenset(
    ("test", "tests", "idlelib", "lib2to3", "site-packages", "dist-packages", "__pycache__", "_vendor", "_bundled")
)
"""Folders without useful documentation, or with that of another package."""

ALIASES = {os.path.__name__: "os.path"}
"""The usual name of a module whose file has another name."""

PYTHON = "embedded/python"


def collect(workers: int | None = None, progress: Callable[[int, int], None] | None = None) -> Iterator[Document]:
    """Yield every document, sorted by source and module; `progress(done, total)` counts the parsed modules.

    `workers` processes parse (default: the cores, at most 8), or this process where none can be started.
    """
    modules = sorted([*_standard_library(), *(m for name in _distributions() for m in _modules(name))])
    documents = [*direct()]
    for done, ((source, name, _), text) in enumerate(zip(modules, _parsed(modules, workers), strict=True), start=1):
        if text:
            documents.append(Document(text, name, source))
        if progress:
            progress(done, len(modules))
    yield from sorted(documents, key=lambda document: (document.source, document.id))


def direct() -> Iterator[Document]:
    """Yield the documents that need no parsing: the language topics, and the modules in C."""
    yield from _topics()
    yield from _compiled()


Module = tuple[str, str, str]
"""A module to parse: (source, name, file)."""


def _standard_library() -> Iterator[Module]:
    root = Path(sysconfig.get_path("stdlib"))
    for file in root.rglob("*.py"):
        path = file.relative_to(root)
        if not SKIPPED.intersection(path.parts[:-1]) and not path.parts[0].startswith("config-"):
            yield PYTHON, _name(path.parts), str(file)


def _distributions() -> list[str]:
    """Return the roots and all installed distributions that they require."""
    found: set[str] = set()
    todo = list(ROOTS)
    while todo:
        name = re.sub(r"[-_.]+", "-", todo.pop()).lower()
        # Binary packages of vendors differ between machines and hold no prose.
        if name in found or name.startswith(("nvidia", "cuda", "triton")):
            continue
        with suppress(importlib.metadata.PackageNotFoundError):
            requires = importlib.metadata.requires(name) or []
            found.add(name)
            todo += [re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in requires if "extra ==" not in line]
    return sorted(found)


def _modules(distribution: str) -> Iterator[Module]:
    files = importlib.metadata.distribution(distribution).files or []
    for path in files:
        if path.suffix == ".py" and not SKIPPED.intersection(path.parts[:-1]) and ".." not in path.parts:
            name = _name(path.parts)
            yield f"embedded/{name.partition('.')[0]}", name, str(path.locate())


def _name(parts: tuple[str, ...]) -> str:
    name = ".".join(PurePosixPath(*parts).with_suffix("").parts).removesuffix(".__init__")
    return ALIASES.get(name, name)


def _parsed(modules: list[Module], workers: int | None) -> Iterator[str]:
    workers = min(8, os.cpu_count() or 1) if workers is None else workers
    done = 0
    if workers > 1:
        # A main script that workers cannot import (stdin, a notebook) breaks the pool: then this process parses.
        with suppress(BrokenProcessPool, OSError), ProcessPoolExecutor(workers, processes()) as pool:
            for text in pool.map(parse, modules, chunksize=16):
                yield text
                done += 1
    yield from map(parse, modules[done:])


def parse(module: Module) -> str:
    """Return the docstrings of one source file, each under its name; "" if there is none, or it does not parse."""
    _, name, file = module
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(Path(file).read_bytes())
    except (SyntaxError, ValueError, RecursionError, MemoryError, OSError):
        return ""
    return _join(_described(tree, name))


def _described(node: ast.AST, name: str) -> Iterator[tuple[str, str]]:
    """Yield (name, docstring) of a module, class or function and of the definitions directly in it."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        if text := ast.get_docstring(node):
            yield f"{name}({ast.unparse(node.args)})", text
        return  # definitions inside a function cannot be reached by name
    if isinstance(node, ast.Module | ast.ClassDef) and (text := ast.get_docstring(node)):
        yield name, text
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _described(child, f"{name}.{child.name}")
        elif isinstance(child, ast.If | ast.Try | ast.With | ast.ExceptHandler):
            yield from _described(child, name)


def _topics() -> Iterator[Document]:
    from pydoc_data.topics import topics

    for name, text in topics.items():
        yield Document(_join([(name, inspect.cleandoc(text))]), f"pydoc_data.topics.{name}", PYTHON)


def _compiled() -> Iterator[Document]:
    """Yield the modules in C of the standard library. They have no source, so they are imported."""
    dynamic = {module.name for module in pkgutil.iter_modules([str(sysconfig.get_config_var("DESTSHARED") or "")])}
    for name in sorted({*sys.builtin_module_names, *dynamic}):
        if name.startswith(("_test", "_xx", "xx", "_tkinter", "_idle")):
            continue
        try:
            with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                module = importlib.import_module(name)
        except ImportError:
            continue
        if text := _join(_members(module)):
            yield Document(text, name, PYTHON)


def _members(module: types.ModuleType) -> Iterator[tuple[str, str]]:
    if module.__doc__:
        yield module.__name__, inspect.cleandoc(module.__doc__)
    for name, value in sorted(vars(module).items()):
        if name.startswith("_") or not (inspect.isclass(value) or inspect.isroutine(value)):
            continue
        home = getattr(value, "__module__", None) or module.__name__
        full = name if home == "builtins" else f"{home}.{name}"
        if isinstance(text := value.__doc__, str):
            yield full + _signature(value), inspect.cleandoc(text)
        if inspect.isclass(value):
            for key, member in sorted(vars(value).items()):
                text = getattr(member, "__doc__", None)
                if not key.startswith("_") and isinstance(text, str) and hasattr(type(member), "__get__"):
                    yield f"{full}.{key}{_signature(member)}", inspect.cleandoc(text)


def _signature(value: object) -> str:
    if not inspect.isroutine(value):
        return ""
    try:
        return str(inspect.signature(value)).replace("($self, /)", "()")
    except Exception:  # the signature of a C function may name a default that does not exist
        return ""


def _join(described: Iterable[tuple[str, str]]) -> str:
    return "\n\n".join(f"{name}\n{text}" for name, text in described if text.strip())
