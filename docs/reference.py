"""Build the API reference from the docstrings: `make docs`, then open build/docs/index.html.

    python docs/reference.py [FOLDER]

pdoc writes one page for each module, with signatures, shapes and source. The build fails, with one line for each
problem, if pdoc warns or if a public module, class, function or method has no docstring.
"""

import argparse
import inspect
import pkgutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pdoc
from pdoc.doc import Class, Doc, Function, Module

import trivium


def modules() -> list[str]:
    """Return the public rooms of the package; pdoc adds what is inside them."""
    return [module.name for module in pkgutil.iter_modules(trivium.__path__) if not module.name.startswith("_")]


def load() -> None:
    """Load the lazy names of the package and list its rooms beside them: pdoc shows `__all__`."""
    for name in trivium.__all__:
        setattr(trivium, name, getattr(trivium, name))
    trivium.__all__ = [*trivium.__all__, *modules()]


def parts(doc: Doc) -> Iterator[Doc]:
    """Yield `doc` and its public modules, classes, functions and methods; what was imported is left out."""
    yield doc
    members = [*doc.own_members, *getattr(doc, "submodules", [])] if isinstance(doc, Module | Class) else []
    for member in members:
        here = isinstance(member, Module) or member.taken_from[0] == doc.modulename
        if here and isinstance(member, Module | Class | Function) and not member.name.startswith("_"):
            yield from parts(member)


def undocumented(doc: Doc) -> list[str]:
    """Return the full name of each part without a docstring; a base class or a Protocol may say it for a method."""
    found = list(parts(doc))
    protocols = [part for part in found if isinstance(part, Class) and getattr(part.obj, "_is_protocol", False)]
    said = {member.name for protocol in protocols for member in protocol.own_members if member.docstring}
    return [f"{part.fullname}: no docstring" for part in found if not (part.docstring or part.name in said)]


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
