"""What the heirs of LLaMA share; that it is right is shown against their stock classes in test_stock."""

import pytest

import trivium
from trivium.base.errors import ModelError
from trivium.interop import decoder
from trivium.interop.rules import Copy, Rule
from trivium.model.attention.pattern import Causal, Window


def test_words_become_patterns_of_one_window() -> None:
    assert decoder.patterns(["sliding_attention", "full_attention"], 7) == [Window(size=7), Causal()]
    with pytest.raises(ModelError, match="sliding_window: needed"):
        decoder.patterns(["sliding_attention"], None)


@pytest.mark.parametrize("tie", [True, False])
def test_every_weight_has_one_rule(tie: bool) -> None:
    model = trivium.build("qwen3", layers=2, hidden_size=32, heads=2, vocab_size=64, tie=tie)
    table = decoder.rules(model.config, qk_norm=True)
    ours = [part for entry in table if isinstance(entry, Rule) for part in entry.parts]
    assert sorted(ours) == sorted(name for name, _ in model.transformer.named_parameters())
    assert any(isinstance(entry, Copy) for entry in table) == tie
