"""Dying or failing at the n-th step of writing. Every open for writing, write, fsync, folder, rename and removal is one
step; a write that is hit leaves half of its bytes.
"""

import builtins
import errno
import io
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

WRITING = ("fsync", "mkdir", "replace", "rename")
REMOVING = ("unlink", "rmdir")


class Torn:
    """A file whose writes count."""

    def __init__(self, file: Any, hit: Callable[[], None]) -> None:
        self._file, self._hit = file, hit

    def write(self, data: Any) -> int:
        half = len(data) // 2
        self._file.write(data[:half])
        self._file.flush()
        self._hit()
        return half + self._file.write(data[half:])

    def __enter__(self) -> "Torn":
        return self

    def __exit__(self, *_: Any) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@contextmanager
def faults(at: int, what: Callable[[], None], names: tuple[str, ...] = WRITING + REMOVING) -> Iterator[list[int]]:
    """Call `what` at step `at` of whatever is written inside the block; gives the number of steps so far, in a list."""
    count, plain = [0], builtins.open

    def hit() -> None:
        count[0] += 1
        if count[0] == at:
            what()

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            hit()
            return function(*args, **kwargs)

        return call

    def opened(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        if not set(mode) & set("wax+"):
            return plain(file, mode, *args, **kwargs)
        hit()
        return Torn(plain(file, mode, *args, **kwargs), hit)

    with ExitStack() as stack:
        for name in names:
            stack.enter_context(patch.object(os, name, counted(getattr(os, name))))
        for module in (builtins, io):
            stack.enter_context(patch.object(module, "open", opened))
        yield count


def full_disk() -> None:
    """What a full disk answers."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def deaths(action: Callable[[], object], every: int = 1) -> Iterator[int]:
    """Run `action` in a child that is gone at step 1, then in one that is gone `every` later, ... until one lives."""
    at, code = 1 - every, 9
    while code == 9:
        at += every
        if (child := os.fork()) == 0:
            code = 1
            try:
                with faults(at, lambda: os._exit(9)):
                    action()
                code = 0
            finally:
                os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert code in (0, 9), f"the child failed at step {at} instead of dying"
        if code == 9:
            yield at
