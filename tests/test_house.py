"""The house rules, as far as a program can check them. Sources are read as syntax trees; nothing here imports torch."""

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SRC = ROOT / "src" / "trivium"
SOURCES = sorted(SRC.rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))

FLOOR = {"model", "token", "image", "base"}
ROWS = {"rows", "corpus", "data", "objective"}
BELOW = {
    "base": set(),
    "token": {"base"},
    "image": {"base"},
    "objective": {"base"},
    "model": {"base"},
    "data": {"objective", "base"},
    "corpus": {"data", "objective", "token", "base"},
    "rows": {"corpus", "data", "objective", "token", "image", "base"},
    "train": FLOOR | ROWS,
    "infer": FLOOR,
    "interop": FLOOR,
    "api": FLOOR | {"infer", "interop"},
    "task": FLOOR | ROWS | {"api", "train", "infer"},
}
BELOW["lab"] = set(BELOW)
BELOW["serve"] = set(BELOW)
BELOW["study"] = set(BELOW)
BELOW["cli"] = set(BELOW)
BELOW[""] = {"api", "cli"}  # the package itself: `trivium.load` and `python -m trivium`, both lazily
"""Which rooms a room may import, besides itself."""

LONGEST, LONGEST_CLI, MOST_FILES = 300, 90, 16
VAGUE = re.compile(r"^(utils?|helpers?|common|manager|misc)$|_v\d+$|(^|_)(utils?|helpers?|manager)($|_)")
POSIX = {"fcntl", "grp", "posix", "pwd", "readline", "resource", "termios"}
"""Modules that Windows has not. A function may try to import them; a module must not."""
PICKLES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
DANGERS = {
    "eval",
    "exec",
    "torch.load",
    "torch.save",
    "torch.hub.load",
    "torch.jit.load",
    "yaml.load",
    "yaml.unsafe_load",
    "os.system",
    "os.popen",
}


def room(path: Path) -> str:
    """The room a source file lies in; api.py is a room of its own, `__init__` and `__main__` are the package."""
    parts = path.relative_to(SRC).with_suffix("").parts
    return "" if parts[0].startswith("__") else parts[0]


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def dotted(node: ast.AST) -> str:
    """`a.b.c` as text, or nothing for any other expression."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (owner := dotted(node.value)):
        return f"{owner}.{node.attr}"
    return ""


def imports(tree: ast.AST, package: str) -> Iterator[tuple[int, str]]:
    """Every module or name imported anywhere in a file, functions and type checking included, as (line, full name)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{stem}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and dotted(node.func).endswith("import_module"):
            yield from ((node.lineno, str(name.value)) for name in node.args[:1] if isinstance(name, ast.Constant))


def upward(tree: ast.AST, package: str, here: str) -> Iterator[str]:
    """Imports that do not go down."""
    for line, name in imports(tree, package):
        if name.split(".")[0] != "trivium":
            continue
        there = next((part for part in name.split(".")[1:2] if part in BELOW), "")
        if there != here and there not in BELOW[here]:
            yield f"line {line}: {here or 'trivium'} must not import {name}"


def dangers(tree: ast.AST) -> Iterator[str]:
    """Uses that could run what a file says."""
    for line, name in imports(tree, "trivium"):
        if name.split(".")[0] in PICKLES or name in DANGERS:
            yield f"line {line}: import of {name}"
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        if (name := dotted(node.func)) in DANGERS:
            yield f"line {node.lineno}: call of {name}"
        for word in node.keywords:
            off = isinstance(word.value, ast.Constant) and word.value.value is False
            if word.arg in {"shell", "trust_remote_code", "allow_pickle"} and not off:
                yield f"line {node.lineno}: {word.arg} is not False"


def report(problems: list[str]) -> None:
    assert not problems, "\n" + "\n".join(problems)


def git(*arguments: str, text: str = "") -> list[str]:
    """Lines of a git command, or a skip where there is no repository."""
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, input=text, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("git is not installed")
    if "not a git repository" in done.stderr:
        pytest.skip("not a git checkout")
    return done.stdout.splitlines()


def without_torch(code: str) -> None:
    """Run code in a fresh interpreter and fail if torch is loaded at its end."""
    code = f"import sys\n{code}\nsys.exit('torch was imported' if 'torch' in sys.modules else 0)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_imports_only_go_down():
    problems = []
    for path in SOURCES:
        package = ".".join(["trivium", *path.relative_to(SRC).parent.parts])
        problems += [f"{path.relative_to(ROOT)}: {problem}" for problem in upward(parse(path), package, room(path))]
    report(problems)


def eager(tree: ast.Module) -> Iterator[str]:
    """Every module that a file imports when it is imported itself; what a function imports does not count."""
    for node in tree.body:
        for inner in ast.walk(node) if isinstance(node, ast.If | ast.Try | ast.With) else [node]:
            if isinstance(inner, ast.Import):
                yield from (alias.name for alias in inner.names)
            elif isinstance(inner, ast.ImportFrom):
                yield from (f"{inner.module}.{alias.name}" for alias in inner.names)
                yield str(inner.module)


def test_no_module_needs_what_only_posix_has():
    report([f"{path}: {name}" for path in SOURCES for name in eager(parse(path)) if name.split(".")[0] in POSIX])
    assert {"fcntl", "os.path"} <= {*eager(ast.parse("import fcntl\nimport os.path\ndef f(): import pwd"))}


def circle(graph: dict[str, set[str]]) -> list[str]:
    """A circle in a graph, its first node again at its end; nothing where there is none."""
    done: set[str] = set()

    def walk(path: list[str]) -> list[str]:
        if path[-1] in path[:-1]:
            return path[path.index(path[-1]) :]
        for name in sorted(graph[path[-1]] - done):
            if found := walk([*path, name]):
                return found
        done.add(path[-1])
        return []

    return next((found for name in graph if (found := walk([name]))), [])


def test_modules_import_each_other_in_no_circle():
    names = {".".join(["trivium", *path.relative_to(SRC).with_suffix("").parts]): path for path in SOURCES}
    modules = {name: path for name, path in names.items() if path.stem != "__init__"}
    graph = {name: {found for found in eager(parse(path)) if found in modules} for name, path in modules.items()}
    assert len(graph) > 100 and sum(map(len, graph.values())) > 300
    found = circle(graph)
    assert not found, " -> ".join(found)
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]


def test_nothing_is_imported_for_types_alone():
    """An arrow that only a type checker sees is an arrow of the house too; the package itself hides its lazy names."""
    text = "TYPE_CHECKING"
    report([str(path) for path in SOURCES if text in path.read_text(encoding="utf-8") and path != SRC / "__init__.py"])


def test_every_room_stands_in_the_table():
    report([f"{room(path)} is in no row of the table" for path in SOURCES if room(path) not in BELOW])


@pytest.mark.parametrize(
    ("source", "package", "here"),
    [
        ("import trivium.train.loop", "trivium.base", "base"),
        ("from trivium import model", "trivium.data", "data"),
        ("from ..objective import causal", "trivium.token", "token"),
        ("from . import loop, api", "trivium", "base"),
        ("def f():\n    from trivium.interop.hub import save", "trivium.infer", "infer"),
        ("import importlib\nimportlib.import_module('trivium.cli')", "trivium.lab", "lab"),
        ("from trivium import load", "trivium.base", "base"),
    ],
)
def test_an_upward_import_is_seen(source, package, here):
    assert list(upward(ast.parse(source), package, here))


def test_a_downward_import_is_fine():
    source = "import torch\nfrom trivium.base.types import IGNORE\nfrom .rows import read\nfrom . import template"
    assert not list(upward(ast.parse(source), "trivium.token", "token"))


@pytest.mark.parametrize("name", ["base", "token", "image", "objective", "data", "corpus", "rows"])
def test_room_needs_no_torch(name):
    without_torch(
        "import importlib, pkgutil\n"
        f"package = importlib.import_module('trivium.{name}')\n"
        "for module in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
        "    importlib.import_module(module.name)\n"
        "    if 'torch' in sys.modules: sys.exit(f'{module.name} imports torch')"
    )


def test_importing_trivium_costs_no_torch():
    without_torch("import trivium")


def test_help_costs_no_torch():
    if not (SRC / "cli" / "__init__.py").is_file():
        pytest.skip("there is no command line yet")
    without_torch(
        "from trivium.cli import main\n"
        "sys.argv = ['trivium', '--help']\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end.code"
    )


def test_nothing_runs_what_a_file_says():
    report([f"{path.relative_to(ROOT)}: {problem}" for path in SOURCES for problem in dangers(parse(path))])


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "def f():\n    from cloudpickle import loads",
        "from torch import load",
        "torch.load(path, weights_only=True)",
        "eval(text)",
        "exec(text)",
        "yaml.load(text)",
        "subprocess.run(line, shell=True)",
        "AutoModel.from_pretrained(folder, trust_remote_code=flag)",
        "np.load(path, allow_pickle=True)",
    ],
)
def test_a_danger_is_seen(source):
    assert list(dangers(ast.parse(source)))


@pytest.mark.parametrize("source", ["model.eval()", "spec.loader.exec_module(m)", "json.load(f)", "np.load(f)"])
def test_what_only_looks_dangerous_is_fine(source):
    assert not list(dangers(ast.parse(source)))


def test_names_say_what_is_inside():
    report(
        [str(path.relative_to(ROOT)) for path in SOURCES if VAGUE.search(path.stem) or VAGUE.search(path.parent.name)]
    )
    assert all(VAGUE.search(name) for name in ("utils", "misc", "loop_v2", "file_helpers"))
    assert not any(VAGUE.search(name) for name in ("loop", "commonsense", "t5", "view"))


def twins(sources: dict[str, ast.Module]) -> list[str]:
    """Public classes of one name in several files, or twice in one."""
    homes: dict[str, list[str]] = {}
    for file, tree in sources.items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes.setdefault(node.name, []).append(f"{file}: line {node.lineno}")
    return [f"class {name}: {', '.join(found)}" for name, found in homes.items() if len(found) > 1]


def test_no_name_is_given_to_two_classes():
    report(twins({str(path.relative_to(ROOT)): parse(path) for path in SOURCES}))
    same = ast.parse("class A: pass\nclass _B: pass")
    assert twins({"a.py": same, "b.py": same}) == ["class A: a.py: line 1, b.py: line 1"]


def test_files_are_small():
    problems = []
    for path in SOURCES:
        lines, limit = (
            len(path.read_text(encoding="utf-8").splitlines()),
            LONGEST_CLI if room(path) == "cli" else LONGEST,
        )
        if lines > limit:
            problems.append(f"{path.relative_to(ROOT)}: {lines} lines, {limit} is the end")
    report(problems)


def test_folders_hold_few_files():
    flat = Counter(path.parent.relative_to(ROOT) for path in SOURCES)
    report(
        [f"{folder}: {count} files, {MOST_FILES} is the limit" for folder, count in flat.items() if count > MOST_FILES]
    )


def test_every_module_says_what_it_is_for():
    report([str(path.relative_to(ROOT)) for path in SOURCES if not ast.get_docstring(parse(path))])


def test_tests_mirror_the_sources():
    missing = []
    for path in SOURCES:
        if (
            path.stem.startswith("__")
            or room(path) == "cli"
            or len(path.read_text(encoding="utf-8").splitlines()) <= 30
        ):
            continue
        inside = path.relative_to(SRC)
        test = ROOT / "tests" / inside.parent / f"test_{inside.name}"
        if not test.is_file():
            missing.append(f"{path.relative_to(ROOT)} has no {test.relative_to(ROOT)}")
    report(missing)


def test_no_source_is_ignored_by_git():
    names = "\n".join(str(path.relative_to(ROOT)) for path in [*SOURCES, *TESTS])
    report([f"{line} would never be committed" for line in git("check-ignore", "--no-index", "--stdin", text=names)])


def test_files_name_no_private_place_and_no_unfinished_work():
    # The brackets keep the patterns from finding themselves.
    place = re.compile(r"(?<![\w.])/(?:home|root|work|Users)/\w")
    process = re.compile(r"\b(?:[T]ODO|[F]IXME|(?:this|last|next|previous) [s]ession|the [b]rief|[i]ssues? #?\d+)\b")
    problems = []
    for name in git("ls-files", "--cached", "--others", "--exclude-standard"):
        try:
            text = (ROOT / name).read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
            continue
        for number, line in enumerate(text.splitlines(), start=1):
            if found := place.search(line) or process.search(line):
                problems.append(f"{name}: line {number}: {found.group()!r}")
    report(problems)
    assert place.search("see " + "/home" + "/me/data") and process.search("as in issue" + " #12")
