"""Code: the source files that prepared data depend on, and a hash of what they do.

The files are the rooms of the stages and all that they import from `corpus`, `token` and `data`. Publishing is left
out, because it is always done again. Comments, docstrings and line breaks do not count.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from trivium.base.files import fingerprint

ROOT = Path(__file__).parents[1]
FOLDERS = ("corpus/read", "corpus/clean", "corpus/duplicates", "corpus/stage")
ROOMS = ("corpus", "token", "data")


@cache
def code() -> str:
    """Return the hash of the code that results depend on."""
    return fingerprint([[str(path.relative_to(ROOT)), syntax(path.read_text("utf-8"))] for path in files()])


def files() -> list[Path]:
    """Return the source files that results depend on, by following their imports."""
    todo = [path for folder in FOLDERS for path in (ROOT / folder).glob("*.py") if path.stem != "publish"]
    found: set[Path] = set()
    while todo:
        if (path := todo.pop()) not in found:
            found.add(path)
            todo += _imports(ast.parse(path.read_text("utf-8")))
    return sorted(found)


def _imports(tree: ast.Module) -> Iterator[Path]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            for name in (node.module, *(f"{node.module}.{alias.name}" for alias in node.names)):
                package, *parts = name.split(".")
                path = ROOT.joinpath(*parts).with_suffix(".py")
                if package == "trivium" and parts and parts[0] in ROOMS and path.is_file():
                    yield path


def syntax(source: str) -> str:
    """Return the syntax tree of a source file as text, without docstrings and other strings that stand alone."""
    return ast.dump(_WithoutRemarks().visit(ast.parse(source)))


class _WithoutRemarks(ast.NodeTransformer):
    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        return None if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str) else node
