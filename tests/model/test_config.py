"""The tree of a model, and what it refuses."""

import tomllib
from pathlib import Path

import pytest

from places import alone, packed
from trivium.base.config import merge, parse
from trivium.base.errors import ConfigError
from trivium.model.config import ModelConfig, kernels
from trivium.model.transformer import Transformer
from trivium.model.weights import resize

SIZES = {"vocab_size": 32, "hidden_size": 16, "context": 8}
STACK = {"layers": 1, "heads": 2}
CAUSAL = {**STACK, "pattern": "causal"}


def make(**fields) -> ModelConfig:
    return parse(ModelConfig, {**SIZES, **fields}, "model")


def test_the_stacks_make_the_family() -> None:
    assert make(encoder=STACK).family == "encoder"
    assert make(decoder=CAUSAL).family == "decoder"
    both = make(encoder=STACK, decoder={**CAUSAL, "layers": 3})
    assert both.family == "encoder_decoder" and both.stacks["decoder"].layers == 3


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "expected an encoder, a decoder or both, found neither"),
        ({"decoder": {"layers": 1, "heads": 3}}, "decoder: hidden_size 16 is not a multiple of heads 3"),
        ({"encoder": {"layers": 1, "heads": 4, "kv_heads": 3}}, "encoder: heads 4 is not a multiple of kv_heads 3"),
        ({"decoder": {**STACK, "patern": "full"}}, "decoder.patern: unknown key; did you mean 'pattern'"),
        ({"decoder": STACK}, "full lets a token attend to later ones"),
        (
            {"decoder": {**STACK, "pattern": ["causal", {"kind": "block", "size": 4}]}},
            "block lets a token attend to later",
        ),
        ({"decoder": CAUSAL, "heads": 2}, "heads: unknown key"),
        ({"decoder": {**STACK, "residual": "sandwitch"}}, "unknown kind 'sandwitch'; did you mean 'sandwich'"),
    ],
)
def test_what_is_wrong_is_told_with_its_path(fields: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make(**fields)


@pytest.mark.parametrize(
    ("kernel", "stack", "message"),
    [
        ("flash", {"position": "alibi"}, "the kernel flash takes no bias; kernel = 'auto' takes one that fits"),
        ("flash", {"position": "bucket"}, "flash takes no bias"),
        ("flash", {"position": ["rope", "alibi"], "layers": 2}, "flash takes no bias"),
        ("flash", {"pattern": {"kind": "strided", "stride": 2}}, "flash knows full, causal and window"),
        ("flash", {"softcap": 3.0}, "flash has no softcap"),
        ("sdpa", {"softcap": 3.0}, "sdpa has no softcap"),
        ("tiled", {"attention_dropout": 0.1}, "tiled has no attention dropout"),
        ("flex", {"attention_dropout": 0.1}, "flex has no attention dropout"),
        ("auto", {"pattern": {"kind": "window", "size": 0}}, "above 0"),
        ("auto", {"pattern": {"kind": "window", "size": -1}}, "above 0"),
    ],
)
def test_a_kernel_that_can_never_do_it_is_refused(kernel: str, stack: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make(kernel=kernel, decoder={**CAUSAL, **stack})


@pytest.mark.parametrize("kernel", ["auto", "eager", "sdpa", "tiled", "flex", "flash"])
def test_a_kernel_that_may_do_it_somewhere_is_not_refused(kernel: str) -> None:
    make(kernel=kernel, decoder={**CAUSAL, "position": "rope"})
    make(kernel="eager", decoder={**CAUSAL, "position": "alibi", "softcap": 3.0, "attention_dropout": 0.1})
    make(kernel="auto", decoder={**CAUSAL, "position": "alibi", "softcap": 3.0, "attention_dropout": 0.1})


def test_the_limit_is_that_of_the_shortest_table() -> None:
    assert make(decoder=CAUSAL).limit == 8
    assert make(decoder={**CAUSAL, "position": "rope"}).limit is None
    assert make(encoder={**STACK, "position": "rope"}, decoder=CAUSAL).limit == 8


def test_head_size_need_not_divide_the_width() -> None:
    assert make(encoder={"layers": 1, "heads": 3, "head_size": 7}).encoder.head_width(16) == 7


def test_every_kind_of_layer_is_explained() -> None:
    config = parse(ModelConfig, {"preset": "modernbert", "vocab_size": 64, "depth": 4})
    said = kernels(config, {"encoder": alone(4096)}, ["encoder"], "cpu")
    assert list(said) == ["encoder, full, rope", "encoder, window, rope"]
    assert said["encoder, full, rope"] == "sdpa: whole documents under a full pattern need no mask"
    assert said["encoder, window, rope"].startswith("tiled: ") and "of the blocks of 4,096 keys" in said[list(said)[1]]
    assert kernels(config, {"encoder": packed([[512] * 8], 4096)}, [], "cpu")["encoder, full, rope"].startswith(
        "tiled: "
    )
    asked = parse(ModelConfig, {"preset": "t5", "vocab_size": 64, "depth": 1, "kernel": "eager"})
    assert set(kernels(asked, {"encoder": alone(64), "decoder": packed([[64]], 64)}, [], "cpu").values()) == {
        "eager: asked for"
    }


def test_a_position_that_is_added_to_the_input_stands_first() -> None:
    """The input is made once for all layers, so an additive kind elsewhere in the list would be lost."""
    for right in (["learned", "rope"], ["learned", "rope", "learned"]):
        make(decoder={**CAUSAL, "position": right})
    for wrong in (["rope", "learned"], ["none", "sinusoid"], ["learned", {"kind": "learned", "offset": 2}]):
        with pytest.raises(
            ConfigError, match=r"model: .*decoder\.position: (learned|sinusoid) is added once, .* first"
        ):
            make(decoder={**CAUSAL, "position": wrong})


def test_the_pictures_of_the_page_on_families_are_a_config() -> None:
    page = (Path(__file__).parents[2] / "docs" / "families.md").read_text(encoding="utf-8")
    tree = tomllib.loads(page.split("```toml")[1].split("```")[0])["model"]
    small = {"vocab_size": 64, "context": 32}
    stacks = {name: {"layers": 1, "heads": 4, **tree[name]} for name in ("encoder", "decoder")}
    stacks["decoder"]["pattern"] = "causal"
    config = parse(ModelConfig, {**small, **tree, **stacks})
    assert config.projects and config.width("encoder") == 192 and config.pictures.patch_size == 192


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"decoder": {"embed": "patches"}}, "decoder.embed: a decoder writes what it reads"),
        ({"vocab_size": 0}, "ids are read or written; expected a vocab_size above 0"),
        ({"decoder": {"hidden_size": 16}}, "decoder.hidden_size: expected 32, the model's"),
        ({"encoder": {"embed": None, "hidden_size": 16}}, "encoder.hidden_size: expected 32, the model's"),
        ({"decoder": {"cross": False}, "image_token": 64}, "image_token: expected an id below vocab_size, found 64"),
        (
            {"decoder": {"cross": False}, "project": False, "encoder": {"hidden_size": 16}},
            "project: expected true: states of another width take no place of a token",
        ),
    ],
)
def test_stacks_that_do_not_go_together_are_told(change: dict, message: str) -> None:
    small = {"preset": "vit-gpt2", "vocab_size": 64, "hidden_size": 32}
    heads = {name: {"layers": 1, "heads": 4} for name in ("encoder", "decoder")}
    with pytest.raises(ConfigError, match=message):
        parse(ModelConfig, merge({**small, **heads}, change))


def test_the_image_token_is_the_last_id_and_stays_where_the_vocabulary_grows() -> None:
    config = parse(ModelConfig, {"preset": "paligemma2", "depth": 1, "vocab_size": 64})
    assert config.image_token == config.placeholder == 63
    assert resize(Transformer(config), 70).config.placeholder == 63
    assert parse(ModelConfig, {"preset": "vit-gpt2", "depth": 1, "vocab_size": 64}).placeholder is None
