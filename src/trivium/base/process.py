"""How processes start: from a server that has imported what they need, or anew where a system has no such server."""

import multiprocessing
from typing import Any


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
