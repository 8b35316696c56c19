"""Models are found by name, share equal weights, and say what they cannot do."""

import asyncio
import copy

import pytest
import torch

import shapes
from serving import catalog, tiny
from trivium.base.errors import ConfigError
from trivium.serve.error import ApiError
from trivium.serve.served import labels, share


def test_names_are_labels() -> None:
    assert list(labels(["runs/demo/model", "a/b", "hf:me/it"])) == [
        ("demo", "runs/demo/model"),
        ("b", "a/b"),
        ("me/it", "hf:me/it"),
    ]
    assert list(labels(["/model"])) == [("model", "/model")]  # a folder without one above it
    assert list(labels(["a", "b"], ["x", "y"])) == [("x", "a"), ("y", "b")]
    with pytest.raises(ConfigError, match="two models have the name 'a'; name each: --served-model-name"):
        list(labels(["x/a", "y/a"]))
    with pytest.raises(ConfigError, match="expected one for each of 2 models, found 1"):
        list(labels(["a", "b"], ["x"]))


def test_equal_weights_are_kept_once() -> None:
    old = tiny().transformer
    new = copy.deepcopy(old)
    changed = next(iter(dict(new.named_parameters())))
    with torch.no_grad():
        dict(new.named_parameters())[changed].add_(1)
    share(new, old)
    for name, weight in new.named_parameters():
        assert (weight.data_ptr() == dict(old.named_parameters())[name].data_ptr()) == (name != changed), name


def test_unknown_models_and_models_that_cannot_are_refused() -> None:
    with catalog({"llama": tiny(), "bert": tiny("bert")}) as made:
        with pytest.raises(ApiError, match=r"there is no model '/etc'; there are: llama, bert") as wrong:
            made.find("/etc", "chat")
        assert (wrong.value.status, wrong.value.code) == (404, "model_not_found")
        with pytest.raises(ApiError, match=r"the model bert cannot do this \(chat\)"):
            made.find("bert", "chat")
        made.ready = False
        with pytest.raises(ApiError, match="being loaded") as wrong:
            made.find("llama", "chat")
        assert wrong.value.status == 503


def test_work_is_done_on_the_worker() -> None:
    with catalog() as made:
        assert asyncio.run(made.served["llama"].compute(lambda: 6 * 7)) == 42


def test_a_model_says_how_much_has_room() -> None:
    """Keys and values of 2 layers of width 32 in float32 are 2 x 2 x 32 x 4 = 512 bytes a token."""
    with catalog({"llama": tiny(), "bert": tiny("bert")}, memory_gib=0.25) as made:
        room = "0.25 GiB for the keys and values of 524,288 tokens, 4,096.0 whole contexts of 128"
        assert made.served["llama"].about.endswith(room)
        assert made.served["bert"].about.startswith("bert: encoder; ") and "GiB" not in made.served["bert"].about


def test_a_model_of_pictures_is_asked_in_a_chat_alone() -> None:
    with catalog({"reader": shapes.reader(), "llama": tiny()}) as models:
        assert models.find("reader", "chat").answers == ["chat"]
        assert {"chat", "completions", "embeddings", "tokens", "attention"} <= {*models.find("llama", "chat").answers}
