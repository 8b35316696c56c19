"""Arrays come back, and a damaged file is one clear error."""

import numpy as np
import pytest

from crash import deaths
from trivium.base.errors import DataError
from trivium.corpus.arrays import Arrays, save


def test_arrays_come_back_and_equal_ones_are_equal_files(tmp_path):
    arrays = {"a": np.arange(5), "b": np.array([b"x", b"yy"], "S")}
    for name in ("one", "two"):
        save(tmp_path / name, {"中": 1}, **arrays)
    found = Arrays(tmp_path / "one")
    assert (
        found.facts() == {"中": 1} and found["a"].tolist() == [0, 1, 2, 3, 4] and found["b"].tolist() == [b"x", b"yy"]
    )
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-40], lambda data: b"", lambda data: data.replace(b"\x93N", b"\x00N")]
)
def test_a_damaged_result_is_one_clear_error(tmp_path, damage):
    save(tmp_path / "x.npz", {}, a=np.arange(50))
    (tmp_path / "x.npz").write_bytes(damage((tmp_path / "x.npz").read_bytes()))
    with pytest.raises(DataError, match=r"x\.npz: expected the result of a step, found it damaged .*prepare again"):
        Arrays(tmp_path / "x.npz")["a"]


def test_a_process_that_dies_while_it_saves_leaves_all_or_nothing(tmp_path):
    path, died = tmp_path / "x.npz", 0
    for at in deaths(lambda: save(path, {"a": 1}, b=np.arange(100))):
        assert not path.exists() or Arrays(path)["b"].tolist() == list(range(100)), f"at step {at}"
        path.unlink(missing_ok=True)
        died += 1
    assert died > 4
