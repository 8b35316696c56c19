"""Options that are added to many commands: a decorator acts on the option before the command runs."""

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from trivium.base import plugin
from trivium.base.errors import ConfigError
from trivium.base.folder import is_hub
from trivium.base.integrity import verification
from trivium.base.log import speaking
from trivium.cli.argument.options import Imports, LogFile, NoVerify, Quiet, Revision


def speaking_as(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options `--quiet` and `--log-file`."""

    def run(quiet: bool = False, log_file: Path | None = None, **options: Any) -> None:
        with speaking(quiet, log_file):
            command(**options)

    return with_options(command, run, quiet=(Quiet, False), log_file=(LogFile, None))


def importing(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the option `--imports`: run those files before it, so that it knows their kinds."""

    def run(imports: list[str] | None = None, **options: Any) -> None:
        plugin.load(imports or (), "--imports")
        command(**options)

    return with_options(command, run, imports=(Imports, None))


def revising(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the option `--revision`: every model of the hub that it names is taken at that revision."""

    def run(revision: str | None = None, **options: Any) -> None:
        if revision is not None:
            named = {key: value for key, value in options.items() if isinstance(value, str | Path) and is_hub(value)}
            if not named:
                raise ConfigError("--revision: expected a model of the hub (hf:OWNER/NAME) beside it")
            if twice := next((value for value in named.values() if "@" in str(value)), None):
                raise ConfigError(f"--revision: {twice} names a revision already; leave one of them out")
            options |= {key: type(value)(f"{value}@{revision}") for key, value in named.items()}
        command(**options)

    return with_options(command, run, revision=(Revision, None))


def taking(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the option `--no-verify`: it takes data and models as they are, whatever their hashes say."""

    def run(no_verify: bool = False, **options: Any) -> None:
        with verification(not no_verify):
            command(**options)

    return with_options(command, run, no_verify=(NoVerify, False))


def with_options(
    command: Callable[..., None], run: Callable[..., None], **more: tuple[Any, Any]
) -> Callable[..., None]:
    """Return `run` with the help and the options of a command, and `more` options (annotation, default)."""
    wraps(command)(run)
    signature = inspect.signature(command)
    options = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, (annotation, default) in more.items()
    ]
    run.__signature__ = signature.replace(parameters=[*signature.parameters.values(), *options])  # type: ignore[attr-defined]
    run.__annotations__ = {**command.__annotations__, **{name: annotation for name, (annotation, _) in more.items()}}
    return run
