import pytest

from runs import pretraining
from trivium.task.run import run


@pytest.fixture(scope="session")
def pretrained(data, tmp_path_factory):
    return run(pretraining(data), tmp_path_factory.mktemp("runs") / "first")
