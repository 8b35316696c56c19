"""The settings of a server: its address, its limits, and who may ask."""

import os
from pathlib import Path

from pydantic import Field, model_validator

from trivium.base.config import Config, Seq
from trivium.base.errors import ConfigError
from trivium.infer.weights import Weights

LOOPBACK = ("127.0.0.1", "::1", "localhost")
"""The hosts that only programs of this machine reach."""


class Settings(Config):
    """What a person may choose for a server. A request beyond a limit gets an error that names the limit."""

    host: str = "127.0.0.1"
    """The address to listen at."""
    port: int = Field(8000, ge=0, le=65535)
    """The port to listen at; 0 takes a free one."""
    key: str | None = Field(None, min_length=1, repr=False)
    """The key that every request must bring; None asks for none."""
    memory_gib: float = Field(1.0, ge=0.001, le=1e6)
    """The memory for keys and values of each model."""
    waiting: int = Field(64, ge=1, le=100_000)
    """The most rows of one model that are written or wait, and the most other calls."""
    weights: Weights = "own"
    """How weights are kept for reading."""
    exact: bool = False
    """Whether an answer never depends on the others that are written beside it."""
    max_new_tokens: int = Field(4096, ge=1)
    """The most new tokens of an answer."""
    choices: int = Field(8, ge=1, le=1000)
    """The most answers to one prompt."""
    body_bytes: int = Field(2 << 20, ge=1024)
    """The most bytes of the body of a request."""
    header_bytes: int = Field(16 << 10, ge=1024)
    """The most bytes of the head of a request."""
    receive_seconds: float = Field(10.0, gt=0)
    """The time in which a whole request must arrive."""
    stall_seconds: float = Field(30.0, gt=0)
    """The time for which a client may not read what is sent."""
    answer_seconds: float = Field(600.0, gt=0)
    """The time for an answer; one that is not at its end then ends as one of too many tokens."""
    grace_seconds: float = Field(30.0, ge=0)
    """The time that running answers have after a signal to stop."""
    cors: Seq[str] = ()
    """The origins of web pages of other hosts that may ask; `*` is any."""
    log_prompts: bool = False
    """Whether the log has the bodies of requests."""

    @model_validator(mode="after")
    def _guarded(self) -> "Settings":
        if self.key is None and self.host not in LOOPBACK:
            raise ConfigError(
                f"--host {self.host}: other machines reach this address, and there is no key; set TRIVIUM_API_KEY, or "
                f"give --key-file FILE, or listen at 127.0.0.1"
            )
        return self


def key_of(file: Path | None) -> str | None:
    """Return the key of a server: the one word of a file, else TRIVIUM_API_KEY of the environment, else none."""
    if file is None:
        return os.environ.get("TRIVIUM_API_KEY") or None
    try:
        lines = file.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as failed:
        raise ConfigError(f"--key-file {file}: cannot read: {failed}") from None
    if len(lines) != 1:
        raise ConfigError(f"--key-file {file}: expected one word, the key; found {len(lines)} words")
    return lines[0]
