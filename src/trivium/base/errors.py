"""Errors that a person can cause. Each message says where, what was expected, what was found and what to do.

The command line prints the message without a traceback and exits with `exit_code`. `assert` is for our own invariants.
"""

EXIT_CODES = {
    0: "done",
    1: "done; `trivium inspect` found red flags, `trivium verify` a difference, or `trivium learn --check` a mistake",
    2: "a wrong command, recipe, file or folder; or something that cannot be read or written",
    4: "the training was not finite",
    5: "a process of the run was lost; the same command with --resume goes on from the newest checkpoint",
    75: "stopped by a signal, and saved; the same command with --resume goes on",
    130: "interrupted",
    141: "what read the output ended first",
}
"""What the exit codes of every command mean."""


def told(broken: Exception) -> str:
    """Return what a parser says about its input, without its advice about Python."""
    return str(broken).partition("; use sys.")[0]


class TriviumError(Exception):
    """A mistake in the input, in one line."""

    exit_code = 2


class ConfigError(TriviumError):
    """A recipe, override or option that does not fit; one line for each problem."""


class DataError(TriviumError):
    """A source, row, shard or data folder that cannot be used."""


class ModelError(TriviumError):
    """A model folder or checkpoint that cannot be used."""


class NumericsError(TriviumError):
    """Too many training steps were not finite."""

    exit_code = 4


class LostRank(TriviumError):
    """A process of a run over several of them was killed, stopped or does not come."""

    exit_code = 5
