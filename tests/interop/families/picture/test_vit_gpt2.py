"""Which pairs the stock class of a ViT and a GPT-2 carries, and what it refuses."""

import pytest

from trivium.base.config import merge, parse
from trivium.base.errors import ModelError
from trivium.base.types import Vocabulary
from trivium.interop.families import apart, by_config, difference, families, obstacle, read, unknown
from trivium.model.config import ModelConfig

FAMILY = families()["vit-gpt2"]


SMALL = {"preset": "vit-gpt2", "vocab_size": 64, "hidden_size": 32}
STACKS = {name: {"layers": 1, "heads": 2} for name in ("encoder", "decoder")}


def config(**changes):
    return parse(ModelConfig, merge({**SMALL, **STACKS}, changes))


def test_what_is_written_is_read_back():
    for width in (None, 24):
        ours = config(encoder={"hidden_size": width})
        told = FAMILY.write(ours, Vocabulary(64, pad=0, bos=1, eos=2))
        assert told["decoder"]["add_cross_attention"] and told["decoder_start_token_id"] == 1
        assert told["pad_token_id"] == 0 and told["decoder"]["model_type"] == "gpt2"
        assert by_config(told) is FAMILY and difference(read(FAMILY, told), ours) is None
        assert not unknown(FAMILY, told) and not apart(
            FAMILY, {**told, "decoder": {**told["decoder"], "embd_pdrop": 0}}
        )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"decoder": {"norm": "rms"}}, "decoder.norm"),
        ({"encoder": {"pattern": [{"kind": "window", "size": 3, "both": True}]}}, "encoder.pattern"),
        ({"project": True}, "a matrix where the widths differ"),
        ({"project": False, "encoder": {"hidden_size": 24}}, "a matrix where the widths differ"),
        ({"decoder": {"cross": False}, "image_token": 3}, "attends to the encoder"),
    ],
)
def test_what_the_class_cannot_say_is_named(changes, message):
    assert message in obstacle(FAMILY, config(**changes))


@pytest.mark.parametrize(
    ("place", "change", "message"),
    [
        ("decoder", {"add_cross_attention": False}, "decoder.add_cross_attention: expected true"),
        ("decoder", {"cross_attention_hidden_size": 7}, "decoder.cross_attention_hidden_size: 7 is not supported"),
        ("decoder", {"n_embd": ["wrong"]}, "decoder.n_embd: "),
        ("encoder", {"hidden_act": "strange"}, "encoder.hidden_act: 'strange' is not supported"),
        ("encoder", {"model_type": "swin"}, "of encoder 'swin', decoder 'gpt2' is not supported; known: vit and "),
    ],
)
def test_a_key_of_a_part_is_named_with_its_part(place, change, message):
    told = FAMILY.write(config(), None)
    told[place] = {**told[place], **change}
    with pytest.raises(ModelError, match=message):
        read(by_config(told), told)


def test_a_part_that_is_missing_or_no_object_is_named():
    told = FAMILY.write(config(), None)
    for wrong in (None, 5, []):
        with pytest.raises(ModelError, match="decoder"):
            FAMILY.read({**told, "decoder": wrong})
