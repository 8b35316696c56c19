"""What every kind of loss keeps."""

import pytest

from trivium.train.loss.loss import Loss


@pytest.mark.parametrize("kind", sorted(Loss.kinds))
def test_the_plain_form_has_no_smoothing_and_keeps_the_rest(kind):
    loss = Loss.parse(kind)
    changed = {name: 0.25 for name, field in type(loss).model_fields.items() if field.annotation is not int}
    plain = loss.replace(**changed).plain()
    assert type(plain) is type(loss)
    for name in changed:
        expected = 0.0 if name in ("label_smoothing", "z_loss", "ctc") else 0.25
        assert getattr(plain, name) == expected
