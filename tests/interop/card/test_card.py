"""The model card."""

import yaml

import small
import trivium
from trivium.interop.card.card import card


def test_a_card_says_what_is_there_and_nothing_else() -> None:
    config = trivium.build("llama", layers=2, hidden_size=32, heads=4, kv_heads=2, vocab_size=64).config
    record = {"stock": "LlamaForCausalLM", "parameters": 12345}
    text = card(config, record | {"name": "demo", "evaluation": {"loss": 1.23456, "note": "text"}})
    header, body = text.removeprefix("---\n").split("\n---\n")
    assert yaml.safe_load(header) == {
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["trivium", "decoder"],
    }
    assert "| parameters | 12,345 |" in body and "| decoder heads | 4 (2 kv) |" in body
    assert "| loss | 1.235 |" in body and "note" not in body
    assert "LlamaForCausalLM.from_pretrained" in body
    bare = card(config, {"stock": None, "parameters": 1})
    assert "transformers" not in bare and "Scores" not in bare and "none: trivium.json" in bare


def test_the_pipeline_tag_is_that_of_the_task() -> None:
    t5, llama = (small.model(preset).config for preset in ("t5", "llama"))
    for config, task, tag in (
        (t5, "translate", "translation"),
        (t5, "summarize", "summarization"),
        (t5, "classify", "text2text-generation"),
        (t5, None, "text2text-generation"),
        (llama, "translate", "text-generation"),
    ):
        assert f"\npipeline_tag: {tag}\n" in card(config, {"stock": None, "parameters": 1, "task": task})
