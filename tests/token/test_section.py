"""Texts beside special tokens get the ids of stock, whatever the kind of the tokenizer and the template."""

from itertools import product

import pytest

from foreign import MISTRAL
from pieces import EACH_TURN, KINDS, pieces
from trivium.base.types import Message
from trivium.token.section import placed, taken
from trivium.token.template import ChatML, Llama3Template, Plain, ids, render
from trivium.token.tokenizer import Tokenizer

from .conftest import word_piece

transformers = pytest.importorskip("transformers", reason="transformers is the oracle of these tests")

HEADER_BEHIND = """\
{%- for message in messages %}
    {%- if message.role == 'user' %}
        {{- bos_token + 'user\n' + message.content + '<|im_end|>\n' + bos_token + 'assistant\n' }}
    {%- else %}
        {{- message.content + '<|im_end|>\n' }}
    {%- endif %}
{%- endfor %}"""
"""The header of an answer belongs to the question, in the manner of MiniMind."""
STRIPPED = """\
{%- for message in messages %}
    {%- if message.role == 'user' %}
        {{- bos_token + 'ask: ' + message.content.strip() + ' :' }}
    {%- else %}
        {{- ' ' + message.content | trim + ' ' + eos_token }}
    {%- endif %}
{%- endfor %}"""
"""Contents are stripped, and spaces of the template stand beside them, in the manner of Llama 2."""
TEMPLATES = {
    "each-turn": EACH_TURN,
    "mistral": MISTRAL,
    "plain": Plain().source,
    "chatml": ChatML().source,
    "llama3": Llama3Template().source,
    "header-behind": HEADER_BEHIND,
    "stripped": STRIPPED,
}
TEXTS = ["word", " a b ", "\n", "\n\nfor", "é 中文 😀\r\n", "it's\t12345", "says  what\n\n", " hi", "", "a  b"]
TAKES = "</s> <|im_end|> <|im_start|> [/INST] <|end_header_id|>"


def stock_of(tokenizer, folder):
    tokenizer.save(folder)
    return transformers.AutoTokenizer.from_pretrained(folder)


def differing(kind, name, takes, folder, every):
    """How many of all conversations stock renders to other ids, of how many."""
    tokenizer = pieces(kind, takes, template=TEMPLATES[name])
    stock, wrong, count = stock_of(tokenizer, folder), 0, 0
    for contents in list(product(TEXTS[::2], TEXTS, TEXTS[1::2], TEXTS[::3]))[::every]:
        talk = [Message(("user", "assistant")[i % 2], text) for i, text in enumerate(contents)]
        for turns, asks in ((talk, False), (talk[:3], True)):
            table = [{"role": turn.role, "content": turn.content} for turn in turns]
            theirs = stock.apply_chat_template(table, add_generation_prompt=asks, return_dict=True)["input_ids"]
            wrong += ids(render(turns, tokenizer, asks)) != theirs
            count += 1
    return wrong, count


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["each-turn", "plain", "stripped"])
def test_conversations_have_the_ids_of_stock(kind, name, tmp_path):
    wrong, count = differing(kind, name, TAKES if name == "each-turn" else "", tmp_path, every=101)
    assert wrong == 0 and count > 15


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("name", "takes"), list(product(TEMPLATES, ["", TAKES])))
def test_many_conversations_have_the_ids_of_stock(kind, name, takes, tmp_path):
    wrong, count = differing(kind, name, takes, tmp_path, every=3)
    assert wrong == 0 and count > 500


@pytest.mark.parametrize("kind", KINDS)
def test_a_string_with_special_tokens_has_the_ids_of_stock(kind, tmp_path):
    tokenizer = pieces(kind, "[INST]")
    stock = stock_of(tokenizer, tmp_path)
    for first, second, third in product(TEXTS, ["", " ", "word", " a b "], TEXTS[:4]):
        parts = [first, "<mask>", second, "[INST]", third]
        ours = tokenizer.join([tokenizer.id_of(part) if part in ("<mask>", "[INST]") else part for part in parts])
        assert [index for some in ours for index in some] == stock("".join(parts))["input_ids"], parts
        assert len(ours) == 5 and ours[1] == [tokenizer.id_of("<mask>")]


def test_text_behind_text_adds_to_it_or_stands_alone():
    tokenizer = pieces("prefixed")
    head, said, more = tokenizer.join(["user\n", "what", " abs"])
    assert head == tokenizer.encode("user\n") and [*head, *said, *more] == tokenizer.encode("user\nwhat abs")
    merged = tokenizer.join(["wh", "at"])
    assert merged[0] == tokenizer.encode("wh") and merged[1] == tokenizer.encode("at", "inside")
    assert [*merged[0], *merged[1]] != tokenizer.encode("what"), "a cut inside a piece"
    words = Tokenizer(word_piece().to_str())
    assert words.join(["a", "b"]) == [[words.id_of("a")], [words.id_of("##b")]] == [words.encode("ab")[:1], [9]]


def test_spaces_that_special_tokens_take():
    sides = {1: (True, False), 2: (False, True)}
    assert taken(["a ", 1, " b"], sides) == ["a", 1, " b"]
    assert taken(["a ", " \u3000", 1], sides) == ["a", "", 1]
    assert taken([2, " ", "\n b ", 1], sides) == [2, "", "b", 1]
    assert taken(["a ", 3, " ", 1, " c"], sides) == ["a ", 3, "", 1, " c"]
    assert taken(["a\x1c", 1], sides) == ["a\x1c", 1], "white space to Python, and not to Unicode"


def test_only_what_depends_on_the_place_changes():
    first = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "first", "split": True}
    always = {**first, "prepend_scheme": "always"}
    assert placed({"pre_tokenizer": first}, "start")["pre_tokenizer"] == first
    assert placed({"pre_tokenizer": first}, "section")["pre_tokenizer"]["prepend_scheme"] == "never"
    assert placed({"pre_tokenizer": always}, "section")["pre_tokenizer"] == always
    assert placed({"pre_tokenizer": always}, "inside")["pre_tokenizer"]["prepend_scheme"] == "never"
    words = {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, always]}
    assert placed({"pre_tokenizer": words}, "inside")["pre_tokenizer"] == words
    normal = {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "\u2581"}, {"type": "NFC"}]}
    assert placed({"normalizer": normal}, "section")["normalizer"] == normal
    assert placed({"normalizer": normal}, "inside")["normalizer"]["normalizers"] == [{"type": "NFC"}]
