"""Chat templates of a folder, by name: all are kept, `default` is taken, and stock reads the same."""

import json

import pytest

from trivium.base.errors import DataError
from trivium.base.types import Message
from trivium.token.folder import read_config, read_templates, write_templates
from trivium.token.template import ChatML, Named, ids, render, stop_ids, with_template
from trivium.token.tokenizer import Tokenizer

DEFAULT, OTHER = "{{ 'default' }}", "{% for m in messages %}{{ m.content }}{% endfor %}"


def folder_of(path, config=None, files=None):
    """A tokenizer folder with what its configuration says and with files of templates."""
    Tokenizer.bytes().save(path)
    if config is not None:
        tree = json.loads((path / "tokenizer_config.json").read_text())
        (path / "tokenizer_config.json").write_text(json.dumps({**tree, "chat_template": config}))
    for name, text in (files or {}).items():
        (path / name).parent.mkdir(exist_ok=True)
        (path / name).write_text(text)
    return path


LIST = [{"name": "default", "template": DEFAULT}, {"name": "tool_use", "template": OTHER}]
FILES = {"chat_template.jinja": DEFAULT, "additional_chat_templates/tool_use.jinja": OTHER}


@pytest.mark.parametrize(("config", "files"), [(LIST, {}), (None, FILES), ("{{ 'old' }}", FILES), (LIST, FILES)])
def test_every_template_is_kept_as_stock_reads_them(config, files, tmp_path):
    transformers = pytest.importorskip("transformers")
    read = Tokenizer.load(folder_of(tmp_path / "theirs", config, files))
    assert read.chat_template == DEFAULT and read.chat_templates == {"tool_use": OTHER}
    read.save(tmp_path / "ours")
    for name in ("theirs", "ours"):
        stock = transformers.AutoTokenizer.from_pretrained(tmp_path / name)
        assert stock.chat_template == {"default": DEFAULT, "tool_use": OTHER}
    again = Tokenizer.load(tmp_path / "ours")
    assert (again.chat_template, again.chat_templates) == (read.chat_template, read.chat_templates)
    assert "chat_template" not in read_config(tmp_path / "ours")


def test_one_template_in_the_configuration_is_the_default(tmp_path):
    read = Tokenizer.load(folder_of(tmp_path, DEFAULT))
    assert (read.chat_template, read.chat_templates) == (DEFAULT, {})


@pytest.mark.parametrize("wrong", [7, [7], [{"name": "default"}], {"default": "x"}, [{"name": 1, "template": "x"}]])
def test_what_is_no_template_is_named(wrong, tmp_path):
    with pytest.raises(DataError, match=r"tokenizer_config\.json: chat_template: expected a text, or a list"):
        read_templates(wrong, tmp_path)


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".x"])
def test_a_name_that_leaves_the_folder_is_refused(name, tmp_path):
    with pytest.raises(DataError, match="expected a name of letters"):
        write_templates("x", {name: "y"}, tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_one_is_picked_by_name():
    named = {"tool_use": ChatML().source}
    tokenizer = Tokenizer(Tokenizer.bytes().json, Tokenizer.bytes().config, DEFAULT, named)
    assert with_template(tokenizer, Named(name="tool_use")).chat_template == ChatML().source
    assert with_template(tokenizer, Named(name="tool_use")).chat_templates == named
    assert with_template(tokenizer, Named(name="default")).chat_template == DEFAULT
    with pytest.raises(DataError, match=r"template 'rag': .* no chat template of this name; it has default, tool_use"):
        with_template(tokenizer, Named(name="rag"))
    with pytest.raises(DataError, match="it has none"):
        with_template(Tokenizer.bytes(), Named(name="rag"))


def test_several_without_a_default_are_not_guessed_from():
    tokenizer = Tokenizer(Tokenizer.bytes().json, Tokenizer.bytes().config, None, {"rag": OTHER, "tool_use": OTHER})
    assert stop_ids(tokenizer) == (2,), "such a folder can be loaded"
    with pytest.raises(DataError, match="chat templates rag, tool_use and no default; pick one: --template NAME"):
        ids(render([Message("user", "x")], tokenizer))
