"""A system without POSIX's modules and without a fork server does the whole way, from text to an answer."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from trivium.base.process import heard, processes, speaks

BLOCK = """
import multiprocessing, os, sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name in ("fcntl", "resource", "readline", "termios", "grp"):
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Missing())
for name in ("fcntl", "resource", "readline", "termios", "grp"):
    sys.modules.pop(name, None)
multiprocessing.get_all_start_methods = lambda: ["spawn"]
for name in ("setsid", "fork", "sched_getaffinity"):
    vars(os).pop(name, None)
"""
"""What Python runs first in every process: the modules and functions that Windows has not."""

EVERY = """
import importlib, pkgutil, trivium
for module in pkgutil.walk_packages(trivium.__path__, "trivium."):
    if module.name != "trivium.__main__":
        importlib.import_module(module.name)
"""


def blocked(folder: Path, *words: str, given: str = "") -> str:
    """Run Python on such a system, in a folder, and return what it printed."""
    (folder / "site").mkdir(exist_ok=True)
    (folder / "site" / "sitecustomize.py").write_text(BLOCK)
    paths = [str(folder / "site"), *filter(None, [os.environ.get("PYTHONPATH")])]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, *words]
    done = subprocess.run(command, cwd=folder, env=env, input=given, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_processes_are_spawned_where_there_is_no_server(monkeypatch):
    assert processes().get_start_method() == "forkserver"
    monkeypatch.setattr(multiprocessing, "get_all_start_methods", lambda: ["spawn"])
    assert processes("trivium.base.process").get_start_method() == "spawn"


def test_a_long_call_gives_its_result_or_its_error():
    assert heard(lambda: 7, 5) == 7
    with pytest.raises(ZeroDivisionError):
        heard(lambda: 1 / 0, 5)


def test_a_call_that_does_not_return_is_left_and_a_signal_is_heard_meanwhile():
    with pytest.raises(TimeoutError, match=r"0\.05 seconds"):
        heard(lambda: time.sleep(5), 0.05)

    def told(*_):
        raise InterruptedError

    before = signal.signal(signal.SIGUSR1, told)
    try:
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGUSR1)).start()
        began = time.monotonic()
        with pytest.raises(InterruptedError):
            heard(threading.Event().wait, 5)
        assert time.monotonic() - began < 3
    finally:
        signal.signal(signal.SIGUSR1, before)


@pytest.mark.slow
def test_every_module_is_imported_without_the_modules_of_posix(tmp_path):
    blocked(tmp_path, "-c", EVERY)
    with pytest.raises(AssertionError, match="fcntl is blocked"):
        blocked(tmp_path, "-c", "import fcntl")


@pytest.mark.slow
def test_the_whole_way_without_posix(tmp_path):
    """Workers are spawned, locks are taken, and what a console cannot show is escaped."""
    (tmp_path / "text").mkdir()
    for name in "abcdefgh":
        (tmp_path / "text" / f"{name}.txt").write_text(f"The {name} fox jumps over the lazy {name} dog.\n" * 40)
    (tmp_path / "r.toml").write_text(
        "budget_steps = 3\nbatch_tokens = 128\n[data]\npath = 'data'\nlength = 32\n"
        "[model]\npreset = 'llama'\ndepth = 1\ncontext = 64\n"
    )
    run = ("-m", "trivium")
    options = ("--tokenizer", "bytes", "--no-near", "--valid-share", "0.3", "--shards", "2", "--workers", "2")
    blocked(tmp_path, *run, "prepare", "text", "-o", "data", *options)
    blocked(tmp_path, *run, "train", "r.toml", "-o", "run")
    assert "\\u732b" in blocked(tmp_path, *run, "import", "run/model", "-o", "猫")
    assert blocked(tmp_path, *run, "chat", "run/model", "--max-new-tokens", "3", given="hi\n")
    blocked(tmp_path, *run, "ablate", "r.toml", "--axis", "model.decoder.norm=rms,layer", "--seeds", "1", "-o", "grid")
    results = [json.loads(path.read_text()) for path in (tmp_path / "grid").glob("*/*/result.json")]
    assert len(results) == 2 and all(one["loss"] and one["peak_mb"] is None for one in results)


def test_of_several_processes_one_says_an_error_and_the_launcher_gets_it(tmp_path, monkeypatch):
    assert speaks("alone") and speaks("alone")
    told = []
    for rank in ("0", "1"):
        (tmp_path / rank).mkdir()
        monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(tmp_path / rank / "error.json"))
        told.append((speaks("no such file"), speaks(f"of rank {rank}")))
    assert told == [(True, True), (False, True)]
    kept = json.loads((tmp_path / "1" / "error.json").read_text())["message"]
    assert kept["message"] == kept["extraInfo"]["py_callstack"] == "of rank 1"
