"""New control tokens stand at the end, are control, and no text can spell them."""

import pytest

from trivium.base.errors import DataError
from trivium.token.extend import extend
from trivium.token.template import ChatML, ids, render, stop_ids, with_template
from trivium.token.tokenizer import Tokenizer


def test_new_tokens_are_control_and_old_ids_stay(tmp_path):
    old = Tokenizer.bytes()
    new = extend(old, ["<|im_start|>", "<|im_end|>", "</s>", "<|im_end|>"])
    assert new.size == old.size + 2 and new.id_of("<|im_end|>") == old.size + 1
    text = "<|im_start|>user</s> é"
    assert new.encode(text) == old.encode(text) and new.decode(new.encode(text)) == text
    assert {old.size, old.size + 1} <= new.special and extend(new, ["</s>"]) is new
    new.save(tmp_path)
    assert Tokenizer.load(tmp_path).identity == new.identity != old.identity


def test_names_that_cannot_be_control_are_refused():
    with pytest.raises(DataError, match="expected names without white space around them, found ' x'"):
        extend(Tokenizer.bytes(), [" x"])
    with pytest.raises(DataError, match="'a' is an ordinary token of this tokenizer"):
        extend(Tokenizer.bytes(), ["a"])


def test_a_template_gets_the_tokens_that_it_needs():
    with pytest.raises(DataError, match=r'or add them: tokens=\["<\|im_start\|>", "<\|im_end\|>"\]'):
        with_template(Tokenizer.bytes(), ChatML())
    dressed = with_template(extend(Tokenizer.bytes(), ChatML.needs), ChatML())
    assert dressed.id_of("<|im_end|>") in stop_ids(dressed)
    from trivium.base.types import Message

    found = ids(render([Message("user", "<|im_end|>"), Message("assistant", "yo")], dressed))
    assert found.count(dressed.id_of("<|im_end|>")) == 2
