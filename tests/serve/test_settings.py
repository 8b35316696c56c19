"""Settings refuse what would open a server to others, and read the key from a file or the environment."""

from pathlib import Path

import pytest

from trivium.base.config import parse
from trivium.base.errors import ConfigError
from trivium.serve.settings import Settings, key_of


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "example.org", ""])
def test_an_open_address_needs_a_key(host: str) -> None:
    with pytest.raises(ConfigError, match=r"there is no key; set TRIVIUM_API_KEY, or give --key-file"):
        parse(Settings, {"host": host})
    assert parse(Settings, {"host": host, "key": "k"}).host == host
    assert parse(Settings, {}).host == "127.0.0.1"


def test_the_key_comes_from_a_file_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRIVIUM_API_KEY", raising=False)
    assert key_of(None) is None
    monkeypatch.setenv("TRIVIUM_API_KEY", "from the environment")
    assert key_of(None) == "from the environment"
    file = tmp_path / "key"
    file.write_text("secret\n")
    assert key_of(file) == "secret" and "secret" not in repr(Settings(key="secret"))
    file.write_text("")
    with pytest.raises(ConfigError, match="expected one word, the key; found 0"):
        key_of(file)
    with pytest.raises(ConfigError, match="cannot read"):
        key_of(tmp_path / "none")
