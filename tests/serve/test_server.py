"""`trivium serve` as a process: it says where it listens, answers, and ends in order at a signal."""

import socket

import pytest

from trivium.base.errors import ConfigError
from trivium.serve.server import listen
from trivium.serve.settings import Settings


def test_a_port_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"cannot listen at 127.0.0.1, port {port}"):
            listen(Settings(port=port))
