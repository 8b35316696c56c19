import os
import sys
from collections import Counter

import pytest

from trivium.corpus.read import embedded

MODULE = '''"""What it is for."""

import os

def join(a, *p, sep="/"):
    """Join paths.

        indented
    back
    """
    def inner():
        """Not to be named."""

class Path(str):
    "A path."

    def parts(self) -> list[str]:
        r"""Its parts."""

    async def walk(self):
        pass

if os.name:
    def late():
        """Conditional."""
'''


def parse(tmp_path, content):
    file = tmp_path / "m.py"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return embedded.parse(("embedded/x", "x.m", str(file)))


def test_each_docstring_stands_under_its_name(tmp_path):
    assert parse(tmp_path, MODULE) == (
        "x.m\nWhat it is for.\n\n"
        "x.m.join(a, *p, sep='/')\nJoin paths.\n\n    indented\nback\n\n"
        "x.m.Path\nA path.\n\n"
        "x.m.Path.parts(self)\nIts parts.\n\n"
        "x.m.late()\nConditional."
    )


@pytest.mark.parametrize("content", ["x = 1", "def f(:", b"\xff\xfe", "\0", "# coding: none\n'''x'''", "(" * 5000])
def test_what_does_not_parse_is_passed_over(tmp_path, content):
    assert parse(tmp_path, content) == ""


def test_it_is_found_without_importing_anyone(monkeypatch):
    loaded = {name for name in sys.modules if name.partition(".")[0] in ("sympy", "networkx")}
    modules = [module for name in embedded._distributions() for module in embedded._modules(name)]
    assert {"embedded/torch", "embedded/numpy", "embedded/sympy"} <= {source for source, _, _ in modules}
    assert all(os.path.isfile(file) for _, _, file in modules[::50])
    assert not {name for name in sys.modules if name.partition(".")[0] in ("sympy", "networkx")} - loaded


@pytest.fixture(scope="module")
def library():
    """The standard library alone: what third parties add is more of the same."""
    patch = pytest.MonkeyPatch()
    patch.setattr(embedded, "ROOTS", ())
    steps = []
    documents = list(embedded.collect(workers=1, progress=lambda done, whole: steps.append((done, whole))))
    patch.undo()
    return documents, steps


def test_the_standard_library_is_a_corpus(library):
    documents, steps = library
    by_name = {document.id: document.text for document in documents}
    assert "os.path.join(a, *p)\nJoin two or more pathname components" in by_name["os.path"] or os.name == "nt"
    assert "json.dumps(obj, *, skipkeys=False" in by_name["json"]
    assert "\nlen(obj, /)\nReturn the number of items in a container." in by_name["builtins"]
    assert "str.join(self, iterable, /)\nConcatenate any number of strings" in by_name["builtins"]
    assert "math.sqrt(x, /)" in by_name["math"]
    assert by_name["pydoc_data.topics.with"].startswith("with\n")
    assert not [name for name in by_name if name.startswith(("test.", "idlelib", "lib2to3"))]
    assert max(Counter(document.id for document in documents).values()) == 1
    assert {document.source for document in documents} == {"embedded/python"}
    assert [document.id for document in documents] == sorted(by_name)
    assert 2e6 < sum(map(len, by_name.values())) < 6e6
    assert steps[-1][0] == steps[-1][1] == len(steps) > 500


def test_processes_yield_the_same(monkeypatch, library):
    modules = sorted(embedded._standard_library())[:40]
    assert list(embedded._parsed(modules, 2)) == list(map(embedded.parse, modules))


def test_a_broken_pool_is_no_obstacle(monkeypatch):
    class Broken:
        def __init__(self, *_):
            raise embedded.BrokenProcessPool

    monkeypatch.setattr(embedded, "ProcessPoolExecutor", Broken)
    modules = sorted(embedded._standard_library())[:5]
    assert list(embedded._parsed(modules, 2)) == list(map(embedded.parse, modules))
