"""Build the API reference from the docstrings: `make docs`, then open build/docs/index.html.

    python docs/reference.py [FOLDER]

pdoc writes one page for each module, with signatures, shapes and source. The build fails, with one line for each
problem, if pdoc warns or if a public module, class, function or method has no docstring.
"""

import argparse
import importlib
import inspect
import pkgutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pdoc
from pdoc.doc import Class, Doc, Function, Module
from torch import nn

import trivium


def load() -> None:
    """Import every module, load the lazy names of the package, and list its rooms beside them: pdoc shows `__all__`."""
    found = [*pkgutil.walk_packages(trivium.__path__, "trivium.")]
    for name in [module.name for module in found if not module.name.endswith("__main__")]:
        quiet(vars(importlib.import_module(name)))
    for name in trivium.__all__:
        setattr(trivium, name, getattr(trivium, name))
    rooms = {module.name.split(".")[1] for module in found} - {"__main__"}
    trivium.__all__ = [*trivium.__all__, *sorted(rooms)]


def quiet(names: dict[str, Any]) -> None:
    """Clear the docstrings that torch and NamedTuple give to every class: they say nothing about ours."""
    nn.Module.forward.__doc__ = nn.Module.__init__.__doc__ = None
    for kind in [value for value in names.values() if isinstance(value, type) and hasattr(value, "_fields")]:
        for field in (kind.__new__, *(getattr(kind, name) for name in kind._fields)):
            field.__doc__ = None


def parts(doc: Doc) -> Iterator[Doc]:
    """Yield `doc` and its public modules, classes, functions and methods; what was imported is left out."""
    yield doc
    members = [*doc.own_members, *getattr(doc, "submodules", [])] if isinstance(doc, Module | Class) else []
    for member in members:
        here = isinstance(member, Module) or member.taken_from[0] == doc.modulename
        if here and isinstance(member, Module | Class | Function) and not member.name.startswith("_"):
            yield from parts(member)


def undocumented(doc: Doc) -> list[str]:
    """Return the full name of each part without a docstring.

    A lambda needs none, and another place may say it for all: a base class or Protocol for a method, a field of type
    Callable for the functions that fill it, a module's class for its `forward`.
    """
    found = list(parts(doc))
    said = {"forward"}
    for part in [part for part in found if isinstance(part, Class)]:
        shared = getattr(part.obj, "_is_protocol", False)
        for member in part.own_members:
            if member.docstring and (shared or "Callable" in getattr(member, "annotation_str", "")):
                said.add(member.name)
    bare = [part for part in found if not part.docstring and part.name not in said]
    return [f"{part.fullname}: no docstring" for part in bare if getattr(part.obj, "__name__", "") != "<lambda>"]


def build(folder: Path) -> list[str]:
    """Write the pages into `folder` and return the problems, sorted."""
    load()
    pdoc.render.configure(docformat="markdown")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        pdoc.pdoc("trivium", output_directory=folder)
    problems = {str(warning.message) for warning in caught if issubclass(warning.category, UserWarning)}
    return sorted(problems | set(undocumented(Module(trivium))))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=inspect.getdoc(sys.modules[__name__]).splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parents[1] / "build" / "docs")
    folder = parser.parse_args().folder
    if problems := build(folder):
        sys.exit("\n".join(problems))
    print(f"{folder / 'index.html'}: {len(list(folder.rglob('*.html')))} pages")
