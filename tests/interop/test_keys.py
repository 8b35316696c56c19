"""The entries of a table of config.json, one by one; that tables are total and right is shown in test_family."""

import dataclasses

import pytest

import trivium
from trivium.base.errors import ModelError
from trivium.base.types import Vocabulary
from trivium.interop.families import by_type
from trivium.interop.keys import (
    ACTIVATION,
    ACTIVATIONS,
    DIVIDES,
    EVERY,
    Form,
    Ours,
    key,
    only,
    rates,
    resolve,
    token,
    told,
    unread,
)

LLAMA = trivium.build("llama", layers=2, hidden_size=32, heads=4, kv_heads=2, vocab_size=64).config


def ours(config=LLAMA, vocabulary=None) -> Ours:
    return Ours(config, vocabulary, "X")


def test_a_config_is_resolved() -> None:
    decoder = resolve(LLAMA)["decoder"]
    assert (decoder["kv_heads"], decoder["head_size"], decoder["score_scale"]) == (2, 8, 8**-0.5)
    assert decoder["ffn"]["size"] == LLAMA.decoder.ffn.width(32) and decoder["output_bias"] is False
    assert list(decoder["pattern"]) == ["0", "1"] and decoder["position"]["1"]["kind"] == "rope"


def test_a_path_is_found_in_the_first_stack() -> None:
    assert ours().get("*.heads") == ours().get("decoder.heads") == 4
    assert ours().get("*.position.0.theta") == 10000.0
    assert ours().get("*.position.2.theta") is None and ours().get("*.heads.more", 7) == 7


def test_a_key_is_read_into_every_field_and_written_from_the_first() -> None:
    size = key("size", 9, "*.heads hidden_size", Form(lambda x: x + 1, lambda x: x - 1))
    assert size.read({"size": 3}) == {"*.heads": 4, "hidden_size": 4}
    assert size.write(ours()) == {"size": 3} and size.defaults == {"size": 9}
    assert key("cap", None, "*.norm.nothing").write(ours()) == {}, "a field that is not there leaves the key out"
    with pytest.raises(ModelError, match='size: "3" is not supported'):
        size.read({"size": "3"})


def test_activations() -> None:
    assert all(ACTIVATION.read(ACTIVATION.write(name)) == name for name in ACTIVATIONS.values())
    assert ACTIVATION.write("gelu_tanh") == "gelu_new"
    with pytest.raises(ModelError, match="hidden_act: 'mish' is not supported; known: silu"):
        key("hidden_act", "silu", "*.ffn.activation", ACTIVATION).read({"hidden_act": "mish"})


def test_a_key_with_one_value_refuses_any_other() -> None:
    for value in (False, None):
        assert only("is_decoder", False).read({"is_decoder": value}) == {}
    with pytest.raises(ModelError, match="is_decoder: true is not supported, expected false"):
        only("is_decoder", False).read({"is_decoder": True})
    with pytest.raises(ModelError, match='kind: null is not supported, expected "absolute"'):
        only("kind", "absolute").read({"kind": None})
    assert only("kind", "absolute").write(ours()) == {}
    assert only("kind", "absolute", write=True).write(ours()) == {"kind": "absolute"}


def test_what_is_told_is_never_read() -> None:
    context = told(n_ctx=lambda ours: ours.config.context)
    assert context.write(ours()) == {"n_ctx": LLAMA.context} and context.read({"n_ctx": 6}) == {}
    assert told(a=1, b=None).write(ours()) == {"a": 1, "b": None} and told(a=1).read({"a": 2}) == {}
    assert unread("a", "b").defaults == {"a": None, "b": None} and unread("a").write(ours()) == {}


def test_ids_come_from_the_tokenizer_alone() -> None:
    assert token("eos_token_id", "eos").write(ours()) == {"eos_token_id": None}
    assert token("eos_token_id", "eos").write(ours(vocabulary=Vocabulary(64, pad=0, bos=1, eos=2))) == {
        "eos_token_id": 2
    }


def test_heads_that_must_divide_the_width() -> None:
    assert DIVIDES.write(ours()) == {}
    wide = trivium.build("llama", layers=1, hidden_size=32, heads=3, head_size=8, vocab_size=64).config
    with pytest.raises(ModelError, match="heads: 3, X needs a divisor of hidden_size 32"):
        DIVIDES.write(ours(wide))


def test_what_every_stock_class_has_is_silent_or_fixed() -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is the oracle")
    known = {name for entry in EVERY for name in entry.defaults}
    fields = {one.name for one in dataclasses.fields(transformers.PreTrainedConfig)}
    generation = set(transformers.GenerationConfig._get_default_generation_params())
    assert fields <= known and generation <= known, (fields - known, generation - known)
    for name, value in (("pruned_heads", {"0": [1]}), ("per_layer_config", {"1": {}}), ("tie_encoder_decoder", True)):
        with pytest.raises(ModelError, match=f"^{name}: .* is not supported"):
            by_type("llama").read({name: value})
        assert by_type("llama").read({name: None}) == by_type("llama").read({})


def test_dropouts_that_stand_apart_in_stock_are_written_as_training_has_them() -> None:
    made = trivium.build("gpt2", layers=1, hidden_size=32, heads=4, vocab_size=64, dropout=0.2).config
    assert rates("a", stands="b").write(ours(made)) == {"a": 0.2} and rates("a").write(ours(made)) == {"a": 0.0}


def test_a_number_that_no_config_has_is_named() -> None:
    for value in (1e30, float("nan"), float("inf"), 10**30):
        with pytest.raises(ModelError, match=r"^rms_norm_eps: "):
            by_type("llama").read({"rms_norm_eps": value})
