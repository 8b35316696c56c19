import torch

from trivium.lab.plan.live import Live

MB = 10**6


def test_bytes_live_from_the_operator_that_makes_them_until_nothing_refers_to_them():
    live = Live()
    with live:
        x = torch.zeros(500, 500)  # 1 MB
        live.begin()
        live.phase = "products"
        y = x @ x
        assert (live.now, live.peak) == (2 * MB, 2 * MB)
        del y
        view = x[:100]
        assert (live.now, live.peak) == (MB, 2 * MB) and view.shape == (100, 500)
    assert sorted((one.phase, one.size) for one in live.at_peak()) == [("products", MB), ("rest", MB)]


def test_a_backward_pass_is_a_phase_and_its_gradients_are_found():
    live = Live()
    with live:
        weight = torch.nn.Parameter(torch.zeros(500, 500))
        live.begin()
        (torch.zeros(500, 500) @ weight).sum().backward()
        number = live.numbers([weight.grad])
    assert {one.phase for one in live.log if one.number in number} == {"backward"}


def test_floats_have_no_memory_and_integers_have_their_numbers():
    with Live() as live:
        ids = torch.arange(6)
        table = torch.zeros(1 << 20, 1 << 20)  # 4 TiB
        rows = table[ids[ids > 3]]
    assert ids.tolist() == [0, 1, 2, 3, 4, 5] and rows.shape == (2, 1 << 20)
    assert live.peak > 1 << 42
