"""What the stock class of a family does not carry: how the tests of families ask for the reason."""

from typing import Any

import trivium
from trivium.interop.families import by_type, obstacle

SMALL = {"layers": 2, "hidden_size": 32, "heads": 2, "vocab_size": 64}


def reason_against(name: str, changes: dict[str, Any]) -> str:
    """Why the stock class does not carry a small model of the preset `name` with these changes."""
    told = obstacle(by_type(name), trivium.build(name, **{**SMALL, **changes}).config)
    assert told is not None, "the stock class carries it"
    return told
