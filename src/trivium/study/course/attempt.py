"""Run a learner's function in a process of its own: `python -m trivium.study.course.attempt FILE FUNCTION GIVEN MADE`.

GIVEN is a file with the arguments of each call, MADE becomes one with the values, or with the error in one line. What
the function prints goes to the terminal.
"""

import json
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trivium.base import plugin
from trivium.base.errors import TriviumError

LIMIT_SECONDS = 60
"""How long all calls may take, the start of Python and torch included."""


def plain(value: Any) -> Any:
    """Return tensors, tables and lists as what JSON holds; of another kind of value only its name."""
    if isinstance(value, Tensor):
        return {"tensor": value.tolist(), "type": str(value.dtype).removeprefix("torch.")}
    if isinstance(value, dict):
        return {"table": {str(key): plain(one) for key, one in value.items()}}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if hasattr(value, "tolist"):  # numpy
        return plain(value.tolist())
    return value if isinstance(value, bool | int | float | str | None) else {"other": type(value).__name__}


def lively(tree: Any) -> Any:
    """Return what `plain` was made of."""
    if isinstance(tree, list):
        return [lively(one) for one in tree]
    if not isinstance(tree, dict):
        return tree
    if "tensor" in tree:
        return torch.tensor(tree["tensor"], dtype=getattr(torch, tree["type"]))
    return {key: lively(one) for key, one in tree["table"].items()} if "table" in tree else tree


def values(file: Path, function: str, calls: Sequence[Sequence[Any]]) -> list[Any]:
    """Return the value of each call of a function in a file.

    Raise TriviumError in one line, with the line of the file, where its code raises, does not end or ends Python.
    """
    if not file.is_file():
        raise TriviumError(f"{file}: no such file")
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder) / "given.json", Path(folder) / "made.json"
        given.write_text(json.dumps(plain(calls)), encoding="utf-8")
        words = [sys.executable, "-m", "trivium.study.course.attempt", str(file), function, str(given), str(made)]
        try:
            done = subprocess.run(words, stdin=subprocess.DEVNULL, timeout=LIMIT_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            raise TriviumError(f"{file}: took more than {LIMIT_SECONDS} s; is there a loop without an end?") from None
        if not made.is_file():
            raise TriviumError(f"{file}: ended Python with exit code {done.returncode} before it answered")
        found = json.loads(made.read_text(encoding="utf-8"))
    if "error" in found:
        raise TriviumError(found["error"])
    return [lively(one) for one in found["values"]]


def _answered(file: str, function: str, calls: Sequence[Any]) -> dict[str, Any]:
    """Return the values of the calls, or the error."""
    sys.path.insert(0, str(Path(file).parent))
    try:
        names = runpy.run_path(file)
        if not callable(names.get(function)):
            return {"error": f"{file}: expected a function {function!r}, found none"}
        return {"values": [plain(names[function](*lively(call))) for call in calls]}
    except (Exception, SystemExit) as error:
        return {"error": plugin.told(error, file)}


if __name__ == "__main__":
    file, function, given, made = sys.argv[1:]
    answer = _answered(file, function, json.loads(Path(given).read_text(encoding="utf-8")))
    Path(made).write_text(json.dumps(answer), encoding="utf-8")
