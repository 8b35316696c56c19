"""The hash of the code follows what the code does, and every file that results depend on is in it."""

import subprocess
import sys
from pathlib import Path

import pytest

from trivium.corpus import code as module
from trivium.corpus.code import ROOT, code, files, syntax

CODE = '"""Old words."""\n\nX = 1  # why\n\n\ndef double(x):\n    """Old words."""\n    return 2 * x\n'


def test_words_make_no_difference_and_code_does():
    same = CODE.replace("Old words", "New words, and more of them").replace("# why", "# because")
    assert syntax(same) == syntax(CODE)
    for old, new in (("2 * x", "3 * x"), ("X = 1", "X = 2"), ("def double(x)", "def double(x, y=0)")):
        assert syntax(CODE.replace(old, new)) != syntax(CODE)


@pytest.fixture
def changed(monkeypatch):
    """The hash, with one file changed."""

    def hashed(name, change):
        path, read = ROOT / name, Path.read_text
        monkeypatch.setattr(Path, "read_text", lambda one, *a: change(read(one, *a)) if one == path else read(one, *a))
        found = code.__wrapped__()
        monkeypatch.undo()
        return found

    return hashed


@pytest.mark.parametrize("name", ["corpus/clean/clean.py", "corpus/stage/dedup.py", "token/bpe.py", "data/shards.py"])
def test_a_changed_line_of_a_file_changes_the_hash_and_a_comment_does_not(changed, name):
    assert changed(name, lambda text: text) == code()
    assert changed(name, lambda text: f'"""Other words."""\n# And a comment.\n{text}') == code()
    assert changed(name, lambda text: f"{text}\nMORE = 1\n") != code()


def test_a_file_that_results_do_not_depend_on_changes_nothing(changed):
    for name in ("data/loader.py", "corpus/engine.py", "corpus/stage/publish.py", "token/template.py"):
        assert changed(name, lambda text: f"{text}\nMORE = 1\n") == code()


def test_whatever_the_stages_import_is_in_the_hash():
    """An interpreter of its own says which files it has loaded: a second opinion on the imports."""
    stages = " ,".join(f"trivium.corpus.stage.{name}" for name in ("read", "dedup", "tokenizer", "encode"))
    told = f"import sys, {stages}\nfor m in list(sys.modules.values()): print(getattr(m, '__file__', None) or '')"
    run = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    loaded = {Path(line) for line in run.stdout.splitlines() if line.startswith(str(ROOT))}
    loaded = {path for path in loaded if path.relative_to(ROOT).parts[0] in module.ROOMS and path.stem != "__init__"}
    assert len(loaded) > 30 and loaded <= set(files())
