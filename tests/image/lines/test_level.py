import numpy as np
import pytest

from trivium.base.config import dump, parse
from trivium.base.errors import ConfigError
from trivium.image.lines.draw import draw
from trivium.image.lines.level import Clean, Hard, LineLevel, Worn
from trivium.image.lines.line import Drawing, open_lines


def test_levels_are_kinds_whose_ranges_begin_with_the_least():
    assert [*LineLevel.kinds][:3] == ["clean", "worn", "hard"]
    for kind in LineLevel.kinds.values():
        assert all(low <= high for _, (low, high) in kind().ranges)
        assert LineLevel.parse(dump(kind())) == kind()


def test_a_clean_line_is_black_on_white_and_a_hard_one_is_small_and_turned():
    assert dict(Clean().ranges)["ink"] == (0, 0) and dict(Clean().ranges)["noise"] == (0, 0)
    assert dict(Hard().ranges)["size"] == (10, 14) and dict(Hard().ranges)["rotation"] == (-2, 2)
    assert Worn().size[1] > Hard().size[1]


def test_a_field_that_no_level_has_is_an_error():
    with pytest.raises(ConfigError, match="size"):
        parse(Hard, {"sizes": [1, 2]})


def test_a_level_of_ones_own_is_a_kind_that_lines_are_drawn_at(monkeypatch):
    pytest.importorskip("PIL")
    monkeypatch.setattr(LineLevel, "kinds", dict(LineLevel.kinds))

    class Reversed(LineLevel, kind="reversed"):
        ink: tuple[float, float] = (255.0, 255.0)
        paper: tuple[float, float] = (0.0, 0.0)

    text = "A line that is drawn in white on a ground that is all black. "
    lines = open_lines("lines:reversed:3", lambda _: [text] * 200, Drawing())
    drawn = [draw(*lines.plan(at)) for at in range(3)]
    assert all(np.median(picture) == 0 and picture.max() > 100 for picture in drawn)
