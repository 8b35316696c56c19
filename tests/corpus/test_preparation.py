import json

import pytest

from trivium.base.config import dump, parse
from trivium.base.errors import ConfigError
from trivium.corpus.clean.filter import Filter
from trivium.corpus.preparation import LATER, Preparation


def test_the_options_that_come_later_are_options():
    assert set(Preparation.model_fields) >= LATER


@pytest.mark.parametrize("wrong", [{"shards": 0}, {"valid_share": 1.0}, {"tokenizer_bytes": 0}, {"shard_tokens": 5}])
def test_what_cannot_be_is_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        parse(Preparation, wrong, "prepare")


@pytest.mark.parametrize(("size", "near"), [(1000, 1024), (8000, 8000), (100, 384), (383, 384)])
def test_a_vocabulary_that_cannot_be_trained_is_refused(size, near):
    if size == near:
        assert Preparation(vocab_size=size).vocab_size == size
        return
    with pytest.raises(ConfigError, match=f"prepare: vocab_size: .*multiple of 64, .* found {size}; try {near}"):
        parse(Preparation, {"vocab_size": size}, "prepare")
    assert parse(Preparation, {"tokenizer": "bytes", "vocab_size": size}, "prepare").tokenizer == "bytes"


def test_a_larger_vocabulary_learns_from_more_text():
    assert (
        Preparation(vocab_size=8192).sample_bytes == 16_384_000
        and Preparation(vocab_size=512).sample_bytes == 1_024_000
    )
    assert Preparation(vocab_size=512, tokenizer_bytes=7).sample_bytes == 7


@pytest.mark.parametrize("kind", Filter.kinds)
def test_every_filter_comes_back_from_a_file(kind):
    preparation = parse(Preparation, {"filter": kind}, "prepare")
    assert parse(Preparation, json.loads(json.dumps(dump(preparation))), "plan") == preparation
