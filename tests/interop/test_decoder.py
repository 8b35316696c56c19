"""What the heirs of LLaMA share; that it is right is shown against their stock classes in test_stock."""

import pytest

import trivium
from trivium.interop import decoder
from trivium.interop.families import by_type, rules
from trivium.interop.keys import key
from trivium.interop.rules import Copy, Rule


@pytest.mark.parametrize("tie", [True, False])
def test_every_weight_has_one_rule(tie: bool) -> None:
    model = trivium.build("qwen3", layers=2, hidden_size=32, heads=2, vocab_size=64, tie=tie)
    table = rules(by_type("qwen3"), model.config)
    ours = [part for entry in table if isinstance(entry, Rule) for part in entry.parts]
    assert sorted(ours) == sorted(name for name, _ in model.transformer.named_parameters())
    assert any(isinstance(entry, Copy) for entry in table) == tie


def test_a_row_of_llama_is_changed_replaced_or_added() -> None:
    more, other = key("mlp_bias", False, "*.ffn.bias"), key("hidden_activation", "relu", "*.ffn.activation")
    family = decoder.heir("X", "llama", more, vocab_size=7, hidden_act=other)
    table = {next(iter(entry.defaults)): entry for entry in family.keys if entry.defaults}
    assert table["vocab_size"].defaults == {"vocab_size": 7} and table["vocab_size"].at == "vocab_size"
    assert table["hidden_activation"] is other and table["mlp_bias"] is more and "hidden_act" not in table
    assert table["hidden_size"] is decoder.LLAMA["hidden_size"]
    with pytest.raises(AssertionError, match="n_embd"):
        decoder.heir("X", "llama", n_embd=3)
