import pytest
import torch

from trivium.base.errors import ConfigError
from trivium.lab.plan.device import GB, TERA, device


def test_a_device_has_what_its_data_sheet_says_or_what_is_given():
    h100 = device("h100", 8)
    assert (h100.memory, h100.flops(torch.bfloat16), h100.flops(torch.float32)) == (80 * GB, 989.5 * TERA, 67 * TERA)
    own = device("h100", 8, memory=40, tflops=100)
    assert (own.memory, own.flops(torch.bfloat16), own.flops(torch.float32)) == (40 * GB, 100 * TERA, 100 * TERA)


def test_the_processes_of_this_machine_share_its_memory():
    assert device("cpu", 1).memory == 4 * device("cpu", 4).memory


def test_an_unknown_device_is_an_error_that_lists_the_known():
    with pytest.raises(ConfigError, match=r"--device: expected one of cpu, h100, .*rtx4090, found 'h10'.*'h100'"):
        device("h10", 1)
