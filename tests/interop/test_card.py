"""The model card."""

import trivium
from trivium.interop.card import card


def test_a_card_says_what_is_there_and_nothing_else() -> None:
    config = trivium.build("llama", layers=2, hidden_size=32, heads=4, kv_heads=2, vocab_size=64).config
    record = {"stock": "LlamaForCausalLM", "parameters": 12345}
    text = card(config, record | {"name": "demo", "evaluation": {"loss": 1.23456, "note": "text"}})
    header, body = text.removeprefix("---\n").split("\n---\n")
    assert dict(line.split(": ", 1) for line in header.splitlines()) == {
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": "[trivium, decoder]",
    }
    assert "| parameters | 12,345 |" in body and "| decoder heads | 4 (2 kv) |" in body
    assert "| loss | 1.235 |" in body and "note" not in body
    assert "LlamaForCausalLM.from_pretrained" in body
    bare = card(config, {"stock": None, "parameters": 1})
    assert "transformers" not in bare and "Evaluation" not in bare and "none: trivium.json" in bare
