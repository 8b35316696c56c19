"""Each field of a request is honoured, cannot change the answer, or is refused."""

import pytest
from pydantic import ValidationError

from trivium.serve.ask import Ask, TextAsk


def test_null_and_silent_fields_are_left_out() -> None:
    asked = TextAsk.model_validate({"model": "m", "seed": None, "user": "me", "metadata": {"a": "b"}, "store": False})
    assert asked == TextAsk(model="m")
    for wrong in ({"store": True}, {"store": 0}, {"service_tier": "flex"}, {"unknown": None}):
        with pytest.raises(ValidationError):
            Ask.model_validate({"model": "m", **wrong})


def test_stop_is_a_text_or_a_list() -> None:
    assert TextAsk(model="m", stop="a").stop == ("a",)
    assert TextAsk.model_validate({"model": "m", "stop": ["a", "b"]}).stop == ("a", "b")
    for wrong in ([""], ["a"] * 5, "x" * 129, 3, [3], {"a": 1}):
        with pytest.raises(ValidationError):
            TextAsk.model_validate({"model": "m", "stop": wrong})
