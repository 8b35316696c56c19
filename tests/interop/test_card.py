"""The model card."""

import pytest

import small
import trivium
from trivium.interop.card import card
from trivium.token.template import Trivium, with_template


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


@pytest.mark.parametrize("text", ["What?", 'a "b" 中'])
def test_both_halves_of_a_card_say_the_same(text: str, tmp_path, capsys) -> None:  # type: ignore[no-untyped-def]
    """A decoder that learned to answer is asked by its chat template; test_chat asks encoder-decoders."""
    pytest.importorskip("transformers")
    model = small.model("llama")
    model.tokenizer = with_template(model.tokenizer, Trivium())
    model.record = {"recipe": {"objective": {"kind": "instruct"}}, "generation": {"max_new_tokens": 8, "num_beams": 4}}
    model.save(tmp_path / "m")
    capsys.readouterr()
    small.use(tmp_path / "m", text.replace('"', '\\"'))
    wanted = model.chat([{"role": "user", "content": text}], max_new_tokens=8)
    assert capsys.readouterr().out == f"{wanted}\n" * 2
    assert wanted, "nothing was said"
    card = (tmp_path / "m" / "README.md").read_text()
    assert "max_new_tokens=8" in card and "num_beams" not in card, "a conversation is not searched by beams"


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
