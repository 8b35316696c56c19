"""How processes start, from a server that has imported what they need or anew, and how several say one thing once."""

import json
import multiprocessing
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from trivium.base.files import sha256


def processes(*modules: str) -> Any:
    """Return the context of `multiprocessing` that starts processes fast and without a copy of this one's threads.

    A server imports `modules` once and forks each process; Windows has none, so there each process imports them again.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    if modules:
        context.set_forkserver_preload(list(modules))
    return context


def speaks(error: str) -> bool:
    """Return whether this process is to say an error: the first that has it, of those that one launcher started here.

    The launcher of torch names a file for the error of each process, which gets it too: `torchrun` shows it at its end.
    """
    if not (file := os.environ.get("TORCHELASTIC_ERROR_FILE")):
        return True
    more = {"py_callstack": error, "timestamp": str(int(time.time()))}
    with suppress(OSError):
        Path(file).write_text(json.dumps({"message": {"message": error, "extraInfo": more}}), encoding="utf-8")
    try:
        os.close(os.open(Path(file).parent.parent / f"told-{sha256(error)[:16]}", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    except OSError:
        pass
    return True
