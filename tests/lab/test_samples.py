"""Samples before training: what rows are taken for, and which part is learned."""

import io

from rich.console import Console

import small
from trivium.base.types import Message
from trivium.lab.samples import painted, show_samples
from trivium.task.finetune import recipe_for
from trivium.text.template import render
from trivium.text.tokenizer import Tokenizer


def shown(tmp_path, task, made, preset):
    file = str(small.rows(tmp_path / "r.jsonl", made))
    console = Console(file=io.StringIO(), width=200)
    show_samples(recipe_for(task, small.folder(tmp_path, preset), [file]), console)
    return console.file.getvalue()


def test_the_format_is_echoed_with_the_first_rows(tmp_path):
    said = shown(tmp_path, "chat", [{"prompt": f"p{i}", "completion": "c"} for i in range(9)], "llama")
    assert "rows are read as completion" in said and "r.jsonl:3:" in said and "r.jsonl:4:" not in said
    assert "p1<|end|><|assistant|>c<|end|>" in said


def test_records_are_shown_by_key(tmp_path):
    said = shown(tmp_path, "classify", small.labelled(), "bert")
    assert "records of the task classify" in said and "text: ice 0; label: cold" in said


def test_what_is_learned_stands_out():
    text = painted(render([Message("user", "q"), Message("assistant", "a")], Tokenizer.bytes()), Tokenizer.bytes())
    bold = [text.plain[span.start : span.end] for span in text.spans if "green" in str(span.style)]
    assert "".join(bold) == "a<|end|>"
