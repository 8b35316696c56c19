"""Eight bits and a scale for each row: as close as they can be, in order, and read back by numpy alone."""

import numpy as np
import torch

import tiny
from trivium.interop.page.weights import dequantised, matrices, pack, quantise


def test_a_matrix_is_off_by_half_a_step_of_its_row_at_most() -> None:
    matrix = (
        torch.randn(5, 40, generator=torch.Generator().manual_seed(1))
        * torch.tensor([1e-3, 1.0, 50.0, 0.0, 2.0])[:, None]
    )
    whole, scale = quantise(matrix)
    assert whole.dtype == torch.int8 and scale.shape == (5,)
    off = (whole.double() * scale.double()[:, None] - matrix.double()).abs()
    assert (off <= matrix.double().abs().amax(1, keepdim=True) / 127 / 2 * 1.0001).all()
    assert whole[3].eq(0).all() and whole.abs().amax(1).tolist() == [127, 127, 127, 0, 127]


def test_a_blob_has_every_weight_where_its_index_says() -> None:
    model = tiny.model("gpt2")
    state, small = {name: one.detach() for name, one in model.state_dict().items()}, matrices(model)
    state.pop("head.weight")  # the token table itself
    index, data = pack(state, small & state.keys())
    known = dequantised(state, small)
    for name, place in index.items():
        shape = place["shape"]
        if "scale" in place:
            values = np.frombuffer(data, np.int8, int(np.prod(shape)), place["at"]).reshape(shape)
            found = values.astype(np.float32) * np.frombuffer(data, "<f4", shape[0], place["scale"])[:, None]
        else:
            assert place["at"] % 4 == 0
            found = np.frombuffer(data, "<f4", int(np.prod(shape)), place["at"]).reshape(shape)
        assert np.array_equal(found, known[name].numpy()), name
    assert {name for name, place in index.items() if "scale" not in place} == {
        name for name, one in state.items() if one.dim() == 1 or "position" in name
    }
