"""Samples before training: what rows are taken for, and which part is learned."""

import io

import pytest
from rich.console import Console

import small
from foreign import foreign
from trivium import api
from trivium.base.types import Message
from trivium.lab.samples import painted, show_samples
from trivium.task.finetune import recipe_for
from trivium.token.template import render
from trivium.token.tokenizer import Tokenizer

CHAT = [{"prompt": f"p{i}", "completion": "c"} for i in range(9)]


def shown(tmp_path, task, files, preset, words=(), model=None):
    console = Console(file=io.StringIO(), width=200)
    recipe = recipe_for(task, small.folder(tmp_path, preset), [str(file) for file in files], overrides=words)
    show_samples(model or small.model(preset), recipe, console)
    return console.file.getvalue()


def test_the_format_of_every_file_is_echoed_with_its_first_rows(tmp_path):
    files = [small.rows(tmp_path / "r.jsonl", CHAT), small.rows(tmp_path / "s.jsonl", small.labelled())]
    said = shown(tmp_path, "chat", files, "llama")
    assert "r.jsonl: rows are read as completion" in said and "r.jsonl:3:" in said and "r.jsonl:4:" not in said
    assert "s.jsonl: rows are read as label" in said and "classify: ice 0<|end|><|assistant|>«cold<|end|>»" in said
    assert "p1<|end|><|assistant|>«c<|end|>»" in said and "the chat template" not in said
    assert "rows are read as label" in shown(tmp_path, "chat", files[1:], "llama", ["data.rows.format=label"])


def test_each_format_of_a_mixed_file_is_named(tmp_path):
    rows = [*CHAT[:1], {"question": "q", "answer": "a"}, {"source": "s", "target": "t"}]
    said = shown(tmp_path, "chat", [small.rows(tmp_path / "r.jsonl", rows)], "llama")
    assert "r.jsonl: rows are read as completion, question, pair; the prompt, «what is trained»" in said


def test_records_are_shown_by_key(tmp_path):
    said = shown(tmp_path, "classify", [small.rows(tmp_path / "r.jsonl", small.labelled())], "bert")
    assert "records of the task classify" in said and "text: ice 0; label: «cold»" in said
    (tmp_path / "x.conll").write_text("Ann B-who\nran O\n\n")
    assert "tags: «['B-who', 'O']»" in shown(tmp_path, "tag", [tmp_path / "x.conll"], "bert")


def test_what_a_template_does_otherwise_than_stock_is_told(tmp_path):
    tokenizer = foreign("qwen")
    model = api.Model(api.build("llama", vocab_size=tokenizer.size, **small.SIZES["llama"]).transformer, tokenizer)
    said = shown(tmp_path, "chat", [small.rows(tmp_path / "r.jsonl", CHAT)], "llama", model=model)
    assert "the chat template changes " in said and "<think>" in said


@pytest.mark.parametrize(("sent", "learned"), [("a", "a<|end|>"), ("", "<|end|>")])
def test_what_is_learned_stands_out(sent, learned):
    text = painted(render([Message("user", "q"), Message("assistant", sent)], Tokenizer.bytes()), Tokenizer.bytes())
    bold = [text.plain[span.start : span.end] for span in text.spans if "green" in str(span.style)]
    assert "".join(bold) == learned


def test_a_first_row_that_does_not_fit_is_passed_over_on_request(tmp_path):
    file = small.rows(tmp_path / "r.jsonl", [{"a": 1}, *CHAT[:2]])
    assert "rows are read as completion" in shown(tmp_path, "chat", [file], "llama", ["data.rows.skip_bad=true"])
