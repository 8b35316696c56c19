"""Errors that a person can cause. Each message says where, what was expected, what was found and what to do.

The command line prints the message without a traceback and exits with `exit_code`. `assert` is for our own invariants.
"""


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
