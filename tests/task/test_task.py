"""Tasks are kinds found by listing their folder."""

import pytest

from trivium.base.errors import ConfigError
from trivium.objective.objective import Objective
from trivium.task.task import by_objective, task_of, tasks


def test_every_task_is_found():
    known = {"chat", "classify", "tag", "extract", "embed", "translate", "summarize", "prefer"}
    assert {name for name, kind in tasks().items() if kind.__module__.startswith("trivium.")} == known


def test_every_objective_of_records_has_a_task():
    records = [kind() for kind in Objective.kinds.values() if kind.reads == "records"]
    assert len(records) == 5 and all(by_objective(one).objective == one.kind for one in records)


def test_a_misspelt_task_is_told_the_others():
    with pytest.raises(ConfigError, match=r"expected one of chat, classify, .*, found 'clasify'"):
        task_of("clasify")
