"""Several processes on this machine, joined by gloo as torchrun would join them."""

import json
import os
import signal
import socket
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from trivium.base.errors import TriviumError
from trivium.train.parallel.layout import Parallelism
from trivium.train.parallel.world import World, world


def together(
    size: int, act: Callable[[World], Any], folder: Path, seconds: float = 60.0, layout: Parallelism = Parallelism()
) -> list[Any]:
    """Run `act` in `size` processes and give what each returned, as JSON takes it; a TriviumError as its text.

    Whoever is not done after `seconds` is ended, and the test fails.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    folder.mkdir(parents=True, exist_ok=True)
    children = {}
    for rank in range(size):
        if child := os.fork():
            children[child] = rank
            continue
        try:
            os.environ.update(RANK=str(rank), WORLD_SIZE=str(size), MASTER_ADDR="127.0.0.1", MASTER_PORT=port)
            with world(torch.device("cpu"), layout=layout) as ranks:
                try:
                    found = act(ranks)
                except TriviumError as error:
                    found = str(error)
            (folder / f"rank-{rank}.json").write_text(json.dumps(found))
        except BaseException:
            (folder / f"rank-{rank}.txt").write_text(traceback.format_exc())
        finally:
            os._exit(0)
    deadline = time.monotonic() + seconds
    codes = {}
    while len(codes) < size and time.monotonic() < deadline:
        for child, rank in children.items():
            if rank not in codes and os.waitpid(child, os.WNOHANG)[0]:
                failed = folder / f"rank-{rank}.txt"
                codes[rank] = failed.read_text() if failed.exists() else "done"
        time.sleep(0.01)
    for child, rank in children.items():
        if rank not in codes:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    assert codes == dict.fromkeys(range(size), "done"), f"ranks that ended, and how: {codes}"
    return [json.loads((folder / f"rank-{rank}.json").read_text()) for rank in range(size)]
