import numpy as np
import pytest

import small
from planned import recipe
from trivium.base.errors import ConfigError
from trivium.base.types import IGNORE
from trivium.lab.plan.subject import subject
from trivium.train.recipe import read_recipe


@pytest.mark.parametrize("family", ["decoder", "encoder", "encoder_decoder"])
def test_made_up_rows_are_two_documents_that_fill_them(family):
    found = subject(recipe(family))
    first, second = found.rows.row(0, 0)
    sides = [one.enc if one.enc is not None else one.dec for one in (first, second)]
    assert 56 <= sum(map(len, sides)) <= found.length == 64 and not found.real
    targets = np.concatenate([one.targets["token"] for one in (first, second)])
    share = (targets != IGNORE).mean()
    assert share == pytest.approx({"decoder": 62 / 64, "encoder": 0.15, "encoder_decoder": 1}[family], abs=0.04)


def test_rows_that_are_here_are_the_rows(data):
    made = read_recipe(None, [f"data.path={data}", "model.preset=llama", "model.hidden_size=32", "model.context=32",
                              "model.decoder.layers=1", "model.decoder.heads=1", "budget_steps=1"])  # fmt: skip
    found = subject(made)
    assert found.real and found.rows.size(0) > 1 and all(one.is_meta for one in found.model.parameters())


def test_rows_of_a_task_must_be_here(tmp_path):
    folder = small.folder(tmp_path, "bert")
    made = read_recipe(None, ["data.path=gone.jsonl", f"init={folder}", "objective.kind=label", "budget_steps=1"])
    with pytest.raises(ConfigError, match=r"gone\.jsonl: no such file of rows"):
        subject(made)
