"""A family's table of config.json against the config class of transformers: total, and with its defaults."""

import pytest

import trivium
from trivium.base.errors import ModelError
from trivium.base.types import Vocabulary
from trivium.interop import heads
from trivium.interop.families import by_type, difference, families
from trivium.interop.keys import Entry

transformers = pytest.importorskip("transformers", reason="transformers is the oracle of these tests")

ALONE = [name for name, family in families().items() if not family.parts]
"""Pairs have no table of their own: their parts have (see test_pair)."""
COMMON = set(transformers.PretrainedConfig().to_dict())
"""The keys of every config class, which say nothing about the forward pass."""


def single(entry: Entry) -> str | None:
    """The key of an entry that is one value."""
    return next(iter(entry.defaults)) if entry.at else None


def table(name: str) -> set[str]:
    """The keys that a family knows, its heads of tasks included."""
    found = {key for entry in by_type(name).entries for key in entry.defaults}
    for kind, stock in heads.TABLE.get(name, {}).items():
        found |= {key for entry in heads.keys(stock, kind) for key in entry.defaults}
    return found


@pytest.mark.parametrize("name", ALONE)
def test_every_key_of_the_stock_class_is_in_the_table(name: str) -> None:
    stock = transformers.AutoConfig.for_model(name)
    assert set(stock.to_dict()) - COMMON <= table(name)


@pytest.mark.parametrize("name", ALONE)
def test_defaults_are_those_of_the_stock_class(name: str) -> None:
    """What config.json leaves out is what the stock class takes for it."""
    family, stock = by_type(name), transformers.AutoConfig.for_model(name)
    assert difference(family.read({"model_type": name}), family.read(stock.to_dict())) is None
    for entry in family.entries:
        if (key := single(entry)) and (wanted := getattr(stock, key, None)) is not None:
            assert (key, entry.defaults[key] or wanted) == (key, wanted)


@pytest.mark.parametrize("name", ALONE)
def test_each_key_and_each_field_stands_once(name: str) -> None:
    keys = [key for entry in by_type(name).keys for key in entry.defaults]
    assert len(set(keys)) == len(keys)
    places = [place for entry in by_type(name).keys for place in entry.at.split()]
    assert len(set(places)) == len(places)


@pytest.mark.parametrize("name", ALONE)
def test_a_key_of_the_wrong_type_is_named_as_it_stands_in_the_file(name: str) -> None:
    family = by_type(name)
    for entry in family.keys:
        if key := single(entry):
            with pytest.raises(ModelError, match=rf"^{key}: "):
                family.read({key: ["wrong"]})


@pytest.mark.parametrize("name", ALONE)
def test_what_is_written_is_read_back(name: str) -> None:
    family = by_type(name)
    config = trivium.build(name, depth=2, vocab_size=96).config
    for vocabulary in (None, Vocabulary(96, pad=0, bos=1, eos=2)):
        told = family.write(config, vocabulary)
        assert difference(family.read(told), config) is None
        assert told["model_type"] == name and told["architectures"] == [family.architecture]


def test_a_class_with_other_stacks_is_named() -> None:
    bert, t5 = (trivium.build(name, depth=1, vocab_size=64).config for name in ("bert", "t5"))
    for config, said in ((bert, "encoder"), (t5, "encoder_decoder")):
        with pytest.raises(ModelError, match=f"stacks: {said}, LlamaForCausalLM has decoder"):
            by_type("llama").write(config, None)


def test_one_stack_without_a_head_is_the_bare_class() -> None:
    for name in ("bert", "modernbert", "llama", "gpt2"):
        family, config = by_type(name), trivium.build(name, depth=1, vocab_size=64, head="none", tie=False).config
        if name == "bert":
            config = config.model_copy(update={"tie": True})
        told = family.write(config, None)
        assert told["architectures"] == [family.bare] and family.read(told).head.kind == "none"
    tied = {"architectures": ["Qwen3Model"], "tie_word_embeddings": True}
    assert by_type("qwen3").read(tied).head.kind == "lm", "as in the stock library"
    assert by_type("t5").bare is None and by_type("gpt2").stem == "GPT2"
