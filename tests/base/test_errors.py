import pytest

from trivium.base import errors


@pytest.mark.parametrize(
    ("kind", "code"),
    [("TriviumError", 2), ("ConfigError", 2), ("DataError", 2), ("ModelError", 2), ("NumericsError", 4)],
)
def test_every_mistake_of_a_person_has_an_exit_code(kind, code):
    error = getattr(errors, kind)
    assert issubclass(error, errors.TriviumError) and error.exit_code == code
