"""The pages name only what exists: links, files, modules, commands, targets; every public name has a docstring."""

import ast
import re
import runpy
import sys
import tomllib
import types
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from languages import differences
from trivium.base.errors import EXIT_CODES
from trivium.cli import app
from trivium.interop.families import NEAREST, families
from trivium.model.presets import PRESETS

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src" / "trivium"
PAGES = [
    ROOT / name for name in ("README.md", "README.zh.md", "DESIGN.md", "CONTRIBUTING.md", "CHANGELOG.md", "Makefile")
]
PAGES += sorted((ROOT / "docs").glob("*.md")) + sorted((ROOT / "learn").rglob("*.md"))
PAGES += sorted(path for path in (ROOT / ".github").rglob("*") if path.is_file())
ROOMS = {path.stem for path in SRC.iterdir() if not path.name.startswith("_")}
FOLDERS = {"src", "docs", "tests", "bench", "recipes", "tours", "learn", ".github", ".ci"}
COMMANDS = typer.main.get_command(app).commands
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
PYTHON = re.compile(rf"trivium\.({'|'.join(sorted(ROOMS))})(\.\w+)*")
REFERENCE = runpy.run_path(str(ROOT / "docs" / "reference.py"))


def code(text: str) -> Iterator[str]:
    """The pieces of a page that are code: what stands in backticks, and each line of a block."""
    yield from re.findall(r"`([^`\n]+)`", text)
    for block in re.findall(r"```\w*\n(.*?)```", text, re.S):
        yield from block.splitlines()


def absent(text: str, folder: Path = ROOT) -> Iterator[str]:
    """What a page names that does not exist; links begin at `folder`."""
    for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if "://" not in link and not (folder / link).exists():
            yield f"link {link}"
    for piece in code(text):
        if line := re.match(r"(?:trivium|.* -m trivium) ([a-z]+)\b(.*)", piece):
            yield from wrong(line[1], line[2])
        yield from (f"target {word}" for word in re.findall(r"^make ([a-z]+)\b", piece) if word not in TARGETS)
        for path in re.findall(r"(?<![\w./=])([\w.-]+/[\w./{},*-]*\w)", piece):
            first = path.split("/")[0]
            if first in FOLDERS and not list(ROOT.glob(re.sub(r"[A-Z]{3,}|\{[^}]*\}", "*", path))):
                yield f"file {path}"
            if first in ROOMS and path == piece and not module(path.split(".")[0].split("/")):
                yield f"module {path}"
        if PYTHON.fullmatch(piece) and not module(piece.split(".")[1:]):
            yield f"module {piece}"


def wrong(name: str, words: str) -> Iterator[str]:
    """What a command line names that does not exist: the command, or its options."""
    if (command := COMMANDS.get(name)) is None:
        yield f"command {name}"
        return
    for part in getattr(command, "commands", {}).values():
        command = part if re.match(rf" {part.name}\b", words) else command
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    yield from (f"option {option}" for option in re.findall(r"(?<!\S)--?[a-z][\w-]*", words) if option not in known)


def module(parts: list[str]) -> bool:
    """Whether the path is a module or folder of the package, or a name that the module before it binds."""
    if (SRC.joinpath(*parts)).is_dir() or SRC.joinpath(*parts).with_suffix(".py").is_file():
        return True
    file = SRC.joinpath(*parts[:-1]).with_suffix(".py")
    file = file if file.is_file() else SRC.joinpath(*parts[:-1], "__init__.py")
    bound = rf"^(?:class|def) {parts[-1]}\b|^{parts[-1]}\b.*=|^\s*(?:from|import) .*\b{parts[-1]}\b"
    return file.is_file() and bool(re.search(bound, file.read_text(encoding="utf-8"), re.M))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_names_only_what_exists(page):
    assert not list(absent(page.read_text(encoding="utf-8"), page.parent))


@pytest.mark.parametrize(
    "text",
    [
        "[a page](docs/nowhere.md)",
        "run `trivium levitate`",
        "```\ntrivium levitate x\n```",
        "`trivium train RECIPE --levitate`",
        "`trivium tokenizer eval MODEL --levitate`",
        "`make tea`",
        "`bench/nothing.py`",
        "`recipes/nothing-*.toml`",
        "`model/layer/nothing`",
        "`trivium.corpus.clean.nothing`",
        "`trivium.api.levitate`",
    ],
)
def test_a_name_of_nothing_is_seen(text):
    assert len(list(absent(text))) == 1


@pytest.mark.parametrize("folder", ["tours", "bench", "docs"])
def test_scripts_import_only_what_exists(folder):
    for path in sorted((ROOT / folder).glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("trivium."):
                names = [[*node.module.split(".")[1:], alias.name] for alias in node.names]
                assert all(module(name) for name in names), f"{path.name}, line {node.lineno}: {node.module}"


def test_every_page_of_the_docs_is_in_the_index():
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert pages == set(re.findall(r"\]\(([\w.]+\.md)\)", index))


def without_switch(page: str) -> str:
    """The page without the line that leads to the other language."""
    return re.sub(r"^.*(?:English \| |\| 中文).*$", "", page, count=1, flags=re.M)


def test_the_readme_says_the_same_in_both_languages():
    english, chinese = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh.md"))
    assert "English | [中文](README.zh.md)" in english and "[English](README.md) | 中文" in chinese
    assert not list(differences(without_switch(english), without_switch(chinese)))


PAGE = (
    "# A\n\nTake `x`, 1,280 [of](a.md).\n\n```\nmake a  # why\n# no heading\n```\n\n## B\n\n![p](b.png)\n\n| a | 2 |\n"
)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("## B", "B"),
        ("## B", "### B"),
        ("`x`", "`y`"),
        ("1,280", "1,281"),
        ("a.md", "c.md"),
        ("b.png", "c.png"),
        ("make a", "make b"),
        ("# why", "# why 3"),
        ("| a | 2 |", "2"),
    ],
)
def test_what_a_translation_loses_is_seen(old, new):
    assert list(differences(PAGE, PAGE.replace(old, new)))


def test_a_translation_may_have_other_words():
    other = PAGE.replace("Take", "取").replace("# why", "# 原因").replace("## B", "## 乙").replace("[of]", "[之]")
    assert not list(differences(PAGE, other))


def test_a_term_has_one_name_in_chinese():
    page = (ROOT / "docs" / "terms.zh.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (?!英文)([^|]+) \| ([^|]+) \| [^|]+ \|$", page, re.M)
    english, chinese = zip(*rows, strict=True)
    assert len(rows) > 60 and len({*english}) == len({*chinese}) == len(rows)
    pairs = re.findall(r"^\| (?!不用)([^|]+) \| ([^|]+) \|$", page, re.M)
    refused = {word: good for bad, good in pairs for word in bad.split("、")}
    assert refused["令牌"] == "词元" and {*refused.values()} & {*chinese} and not {*refused} & {*chinese}
    for path in [ROOT / "README.zh.md", *(ROOT / "learn" / "zh").glob("*.md")]:
        text = path.read_text(encoding="utf-8")
        assert not [f"{path.name}: {word}, say {good}" for word, good in refused.items() if word in text]


def test_the_table_of_exit_codes_stands_in_the_readme_and_in_the_help():
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", (ROOT / "README.md").read_text(encoding="utf-8"), re.M)
    assert {int(code): what for code, what in rows} == EXIT_CODES
    told = " ".join(CliRunner().invoke(app, ["-h"]).stdout.split())
    assert all(f"{code} {what.replace('`', '')}" in told for code, what in EXIT_CODES.items())


def test_the_page_of_commands_has_every_command():
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    assert set(COMMANDS) - {"demo"} == set(re.findall(r"^trivium ([a-z]+)\b", page, re.M))


def test_the_pages_have_every_family_and_no_other():
    page, said, refused = (ROOT / "docs" / "families.md").read_text(encoding="utf-8").partition("## Not supported")
    rows = [line.split("|")[1:3] for line in page.splitlines() if line.startswith("| `")]
    assert {stock.strip() for _, stock in rows} == {family.architecture for family in families().values()}
    named = re.findall(r"`([\w.-]+)`", " ".join(presets for presets, _ in rows))
    assert sorted(named) == sorted(PRESETS) and said
    table = (ROOT / "README.md").read_text(encoding="utf-8").split("| preset |")[1].split("\n\n")[0]
    assert sorted(re.findall(r"`([\w.-]+)`", table)) == sorted(PRESETS)
    near = [line.split("|")[1:3] for line in refused.splitlines() if line.startswith("| `")][1:]
    assert {name: other.strip(" `") for names, other in near for name in re.findall(r"`([\w-]+)`", names)} == NEAREST


def test_the_version_stands_in_one_place():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    files = [*SRC.rglob("*.py"), ROOT / "README.md", ROOT / "CITATION.cff", *(ROOT / "docs").glob("*.md")]
    again = [path.name for path in files if re.search(rf"\b{re.escape(version)}\b(?!\.)", path.read_text("utf-8"))]
    assert not again


def test_a_name_without_a_docstring_is_seen(monkeypatch):
    made = types.ModuleType("made", "A module.")
    exec(
        "class Given:\n    'A class.'\n    def told(self): 'A method.'\n    def bare(self): pass\n"
        "class Heir(Given):\n    def told(self): pass\ndef bare(): pass\ndef _own(): pass\n",
        made.__dict__,
    )
    monkeypatch.setitem(sys.modules, "made", made)
    for name in ("Given", "Heir", "bare", "_own"):
        made.__dict__[name].__module__ = "made"
    found = REFERENCE["undocumented"](REFERENCE["Module"](made))
    assert sorted(line.split(":")[0] for line in found) == ["made.Given.bare", "made.bare"]
