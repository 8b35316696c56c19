"""The option `--imports FILE` of every command that loads a model or a recipe."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

from trivium.base import plugin
from trivium.cli.options import Imports


def importing(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the option `--imports`: run those files before it, so that it knows their kinds."""

    @wraps(command)
    def run(imports: list[str] | None = None, **options: Any) -> None:
        plugin.load(imports or (), "--imports")
        command(**options)

    signature = inspect.signature(command)
    option = inspect.Parameter("imports", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Imports)
    run.__signature__ = signature.replace(parameters=[*signature.parameters.values(), option])  # type: ignore[attr-defined]
    run.__annotations__ = {**command.__annotations__, "imports": Imports}
    return run
