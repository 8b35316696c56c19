"""A person's own file runs once, and its mistakes are one line."""

import pytest

from trivium.base import plugin
from trivium.base.errors import ConfigError


def test_a_file_runs_once(tmp_path):
    mine = tmp_path / "mine.py"
    mine.write_text(
        "import pathlib\nwith open(pathlib.Path(__file__).with_name('runs'), 'a') as f:\n    f.write('x')\n"
    )
    plugin.run(mine, "recipe.toml")
    plugin.run(str(mine), "recipe.toml")
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
            plugin.run(tmp_path / "mine.py", "recipe.toml")
        assert "\n" not in str(error.value)
