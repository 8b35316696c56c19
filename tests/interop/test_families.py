"""Which stock class carries a config."""

import copy

import pytest

import trivium
from pictured import PICTURES
from published import PUBLISHED
from trivium.base.errors import ModelError
from trivium.interop.families import NEAREST, by_config, by_type, difference, families, read, stock, unknown
from trivium.model.presets import PRESETS

UNUSED = {
    "bart": {"classif_dropout", "force_bos_token_to_be_generated"},
    "modernbert": {"layer_norm_eps", "position_embedding_type"},
    "paligemma": {"text_config.hidden_act"},
}
"""Keys in published files that the stock class of today does not read."""
TINY = {"layers": 1, "hidden_size": 32, "heads": 2, "vocab_size": 64}


@pytest.mark.parametrize("name", [name for name in PRESETS if name in families()])
def test_a_preset_is_its_stock_class(name: str) -> None:
    family, reasons = stock(trivium.build(name, depth=1, vocab_size=64).config)
    assert family is families()[name] and reasons == {}


def test_without_a_stock_class_every_one_has_its_reason() -> None:
    family, reasons = stock(trivium.build("llama", **TINY, norm="layer", residual="post").config)
    assert family is None and set(reasons) == {family.architecture for family in families().values()}
    assert all(reasons.values())


def test_what_does_not_change_a_trained_model_is_no_obstacle() -> None:
    assert stock(trivium.build("llama", **TINY, dropout=0.1, init="scaled", kernel="eager").config)[0] is by_type(
        "llama"
    )


def test_a_type_that_is_not_supported_is_told_the_nearest_that_is() -> None:
    with pytest.raises(ModelError, match=r"model_type 't5gemma' is not supported; the nearest is t5; known: "):
        by_type("t5gemma")
    assert set(NEAREST.values()) <= set(families()) and not set(NEAREST) & set(families())


def test_an_unknown_type_is_named_with_the_known() -> None:
    with pytest.raises(ModelError, match=r"model_type 'zebra' is not supported; known: .*gpt2.*llama"):
        by_type("zebra")
    with pytest.raises(ModelError, match="model_type None"):
        by_type(None)


@pytest.mark.parametrize("name", PUBLISHED | PICTURES)
def test_the_spellings_of_the_years_are_read_as_the_stock_class_reads_them(name: str) -> None:
    """What the stock class makes of a file of its year, written in today's spelling, says the same model."""
    transformers = pytest.importorskip("transformers", reason="transformers is the oracle")
    tree = (PUBLISHED | PICTURES)[name]
    today = type(transformers.AutoConfig.for_model(tree["model_type"])).from_dict(copy.deepcopy(tree)).to_dict()
    ours = read(by_config(tree), tree)
    assert difference(ours, read(by_config(tree), {**today, "architectures": tree["architectures"]})) is None
    assert set(unknown(by_config(tree), tree)) <= UNUSED.get(tree["model_type"], set())
