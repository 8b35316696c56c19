"""What is said of vectors: older names, prompts, and the pooling of a model that says nothing."""

import pytest

import small
from trivium.base.errors import ConfigError
from trivium.model.vectors import Vectors, usual_pool


def test_files_of_the_first_format_say_the_pooling_alone():
    assert Vectors.of({"pool": "first"}) == Vectors(pool=("first",))
    assert Vectors.of({}) == Vectors() and Vectors.of({"vectors": {"pool": ["max", "mean"]}}).pool == ("max", "mean")
    with pytest.raises(ConfigError, match=r"trivium\.json: vectors: pool"):
        Vectors.of({"vectors": {"pool": "middle"}})


def test_a_prompt_is_found_by_its_name():
    how = Vectors(prompts={"query": "q: ", "none": ""}, prompt="query")
    assert [how.prefix(name) for name in (None, "query", "none")] == ["q: ", "q: ", ""]
    assert Vectors().prefix(None) == ""


def test_the_family_says_the_pooling_unless_the_head_does():
    models = {name: small.model(name) for name in ("bert", "llama")}
    assert [usual_pool(model.config) for model in models.values()] == [("mean",), ("last",)]
    models["bert"].equip("embed", pool="max")
    assert usual_pool(models["bert"].config) == ("max",)
