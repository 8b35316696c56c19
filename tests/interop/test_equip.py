"""A model gets the head of its family's stock class; its body stays what it was."""

import pytest
import torch

import small
from trivium.interop.equip import head
from trivium.model.layer.score import SentenceEmbedding, SequenceClassification

IDS = [[1, 9, 41, 7, 33, 2]]


@pytest.mark.parametrize("preset", sorted(small.SIZES))
def test_the_body_stays(preset):
    model = small.model(preset)
    given = {"decoder_input_ids": IDS} if model.config.family == "encoder_decoder" else {}
    before = model.hidden(IDS, **given)
    model.equip("classify", ("a", "b", "c"))
    assert torch.equal(model.hidden(IDS, **given), before)
    assert isinstance(model.config.head, SequenceClassification) and model.config.head.labels == ("a", "b", "c")


def test_the_head_is_that_of_the_stock_class():
    assert small.model("bert").config.family == "encoder"
    vocabulary = small.model("bert").tokenizer.vocabulary
    bert = head(small.model("bert").config, vocabulary, "classify", ("a", "b"))
    llama = head(small.model("llama").config, vocabulary, "classify", ("a", "b"))
    assert (bert.pool, bert.dense, bert.activation) == ("first", True, "tanh")
    assert (llama.pool, llama.dense, llama.bias) == ("last", False, False)
    assert head(small.model("llama").config, vocabulary, "embed") == SentenceEmbedding(pool=("last",))


def test_a_pair_without_a_stock_class_says_so(capsys):
    found = head(small.model("llama").config, None, "span", ("start", "end"))
    assert found.kind == "span" and "no stock class with a head of kind span" in capsys.readouterr().out


def test_an_equal_head_stays_as_it_is():
    model = small.model("bert")
    model.equip("classify", ("a", "b"))
    transformer = model.transformer
    model.equip("classify", ("a", "b"))
    assert model.transformer is transformer
