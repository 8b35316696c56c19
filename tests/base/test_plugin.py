"""A person's own file runs once, and its mistakes are one line."""

import sys
from pathlib import Path

import pytest

import tiny
from trivium.base import plugin
from trivium.base.errors import ConfigError, DataError
from trivium.base.files import sha256


def test_a_file_runs_once(tmp_path):
    mine = tmp_path / "mine.py"
    mine.write_text(
        "import pathlib\nwith open(pathlib.Path(__file__).with_name('runs'), 'a') as f:\n    f.write('x')\n"
    )
    plugin.load([mine], "recipe.toml")
    plugin.load([str(mine)], "recipe.toml")
    assert (tmp_path / "runs").read_text() == "x"


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("\nimport no_such_module\n", r"mine.py: line 2: ModuleNotFoundError: No module named 'no_such_module'"),
        ("x = (\n", r"mine.py: line 1: SyntaxError: '\(' was never closed"),
        ("def f():\n    raise ValueError('a\\nb')\n\nf()\n", r"mine.py: line 2: ValueError: a; b"),
        ("import sys\nsys.exit()\n", r"mine.py: line 2: SystemExit"),
    ],
)
def test_what_it_raises_is_one_line(tmp_path, code, told):
    (tmp_path / "mine.py").write_text(code)
    for _ in range(2):  # a file that failed is tried again
        with pytest.raises(ConfigError, match=rf"recipe.toml: imports: .*{told}") as error:
            plugin.load([tmp_path / "mine.py"], "recipe.toml")
        assert "\n" not in str(error.value)


SHAPE = "from trivium.base.config import Choice\nclass Shape(Choice): ...\nclass Round(Shape, kind='round'): ...\n"


def test_a_class_is_traced_to_its_file(tmp_path):
    with tiny.forgetting():
        (tmp_path / "shapes.py").write_text(SHAPE)
        plugin.load([tmp_path / "shapes.py"])
        module = sys.modules[next(iter(plugin.IMPORTED))]
        told = [{"file": "shapes.py", "sha256": sha256(tmp_path / "shapes.py")}]
        assert plugin.needed([int, module.Round]) == told and plugin.needed([int]) == []
        assert plugin.needed([type("Oval", (module.Shape,), {})]) == told, "a base counts too"
        assert plugin.paths() == [str(tmp_path / "shapes.py")]
        assert plugin.match(told) == plugin.match([]) == []
        assert plugin.match([{**told[0], "file": "other.py"}]) == [], "the hash is what counts"
        (warning,) = plugin.match([{**told[0], "sha256": "0" * 64}])
        assert warning == "shapes.py is not the file that the model was saved with (sha256 000000000000)"
        with pytest.raises(ConfigError, match=r"needs the kinds of 'x\.py', which is not imported"):
            plugin.match([{"file": "x.py", "sha256": "0"}])


@pytest.mark.parametrize("damaged", [{}, ["own.py"], [{"file": "own.py"}], [{"file": 1, "sha256": "0"}], 3])
def test_a_list_of_files_in_another_form_is_refused(damaged):
    with pytest.raises(ConfigError, match=r"imports: expected a list of file and sha256, found"):
        plugin.match(damaged)


def test_a_missing_package_is_named_itself_and_never_a_project_of_our_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xxhash", None)
    with pytest.raises(DataError, match=r"^hashing needs xxhash: pip install xxhash$"):
        plugin.extra("xxhash", "hashing")
    with pytest.raises(DataError, match=r"^hashing needs nowhere: pip install nowhere$"):
        plugin.extra("nowhere.inside", "hashing")
    texts = [path.read_text(encoding="utf-8") for path in Path(plugin.__file__).parents[1].rglob("*.py")]
    assert not any("install trivium" in text or "'trivium[" in text for text in texts)
