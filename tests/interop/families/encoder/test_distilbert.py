"""DistilBertForMaskedLM: which settings of either side the other lacks. That the rest is equal: test_stock."""

import pytest

import trivium
from carried import SMALL, reason_against
from trivium.base.errors import ModelError
from trivium.interop.families import by_type, stock

distilbert = by_type("distilbert")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"embed": {"kind": "tokens", "types": 2, "norm": {"kind": "layer", "eps": 1e-12}}}, "embed.types: 2"),
        ({"norm": {"kind": "layer", "eps": 0.1}}, "encoder.norm.eps: 0.1, DistilBertForMaskedLM has 1e-12"),
        ({"tie": False}, "tie: False, DistilBertForMaskedLM has True"),
    ],
)
def test_a_choice_that_the_stock_class_has_not_is_named(changes: dict, reason: str) -> None:
    assert reason_against("distilbert", changes).startswith(reason)


def test_a_stock_setting_that_we_do_not_have_is_named() -> None:
    with pytest.raises(ModelError, match="tie_word_embeddings: false is not supported"):
        distilbert.read({"tie_word_embeddings": False})


def test_bert_and_distilbert_are_told_apart_by_their_types() -> None:
    bert = trivium.build("bert", **SMALL).config
    assert stock(bert)[0] is by_type("bert")
    assert stock(trivium.build("distilbert", **SMALL).config)[0] is distilbert
