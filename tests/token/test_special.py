import json

import pytest

from trivium.base.errors import DataError
from trivium.token.special import roles_of, special_names


def merges(tokenizer):
    return len(json.loads(tokenizer.json)["model"]["merges"])


def test_control_tokens_have_the_ids_of_the_table(any_tokenizer):
    assert [any_tokenizer.id_of(name) for name in special_names()] == list(range(125))
    assert special_names()[:9] == [
        "<pad>",
        "<s>",
        "</s>",
        "<unk>",
        "<mask>",
        "<|system|>",
        "<|user|>",
        "<|assistant|>",
        "<|end|>",
    ]
    vocabulary = any_tokenizer.vocabulary
    assert (vocabulary.pad, vocabulary.bos, vocabulary.eos, vocabulary.mask) == (0, 1, 2, 4)
    assert vocabulary.sentinels == tuple(range(9, 109))
    assert vocabulary.special >= set(range(125))
    assert len(vocabulary.special) == vocabulary.size - 256 - merges(any_tokenizer)
    with pytest.raises(DataError, match="no token '<nobody>'"):
        any_tokenizer.id_of("<nobody>")


def test_a_role_is_named_by_a_string_or_a_table_and_without_any_by_its_usual_name():
    config = {"bos_token": {"content": "<b>"}, "eos_token": "<e>", "pad_token": None, "unk_token": 7}
    assert roles_of(config, {"<pad>": {}}) == {"bos_token": "<b>", "eos_token": "<e>"}
    assert roles_of({"pad_token": None}, {"[PAD]": {}, "<|endoftext|>": {}}) == {
        "eos_token": "<|endoftext|>",
        "pad_token": "[PAD]",
    }
