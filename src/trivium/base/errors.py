"""Errors a person can cause: each says where, what was expected, what was found and what to do.

The command line prints them as they are, without a traceback, and leaves with their exit code.
`assert` stays for our own invariants.
"""


class TriviumError(Exception):
    """A mistake in the input, told in one clear line."""

    exit_code = 2


class ConfigError(TriviumError):
    """A recipe, override or flag that does not fit; holds every problem found, one a line."""


class DataError(TriviumError):
    """A source, row, shard or data folder that cannot be used."""


class ModelError(TriviumError):
    """A model folder or checkpoint that cannot be used."""


class NumericsError(TriviumError):
    """Training met too many non-finite steps."""

    exit_code = 4
