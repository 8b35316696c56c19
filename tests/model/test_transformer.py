"""The whole model in every preset: gradients, tying, packing, padding, caching; the core stays small and nameless."""

import ast
import re
from pathlib import Path

import numpy as np
import pytest
import torch

import tiny
from patches import drawn
from places import PATTERNS, causal
from trivium.base.batch import collate
from trivium.base.config import dump
from trivium.base.types import Example
from trivium.infer.generate import generate
from trivium.infer.request import Request
from trivium.model.config import ModelConfig
from trivium.model.device import place
from trivium.model.layer.position import Position
from trivium.model.presets import PRESETS

MODEL = Path(__file__).parents[2] / "src" / "trivium" / "model"
CORE = ("transformer", "stack", "layer/residual", "attention/attention")


def windows(preset: str) -> dict:
    """Windows of three in place of a preset's own, which are wider than any text here."""
    return {"pattern": [{"kind": "window", "size": 3}, "causal"]} if preset in ("mistral", "gemma2") else {}


def model(preset: str) -> torch.nn.Module:
    if preset == "modernbert":
        near = {"kind": "window", "size": 3, "both": True}
        return tiny.model(preset, tree={"encoder": {"pattern": ["full", near, near], "layers": 3}})
    return tiny.model(preset, **windows(preset))


def example(config: ModelConfig, seed: int, enc: int, dec: int) -> Example:
    """A drawn text or picture of about `enc` positions, and a text of about `dec`."""
    rng = np.random.default_rng(seed)
    target = rng.integers(3, 63, dec) if config.decoder else None
    if config.encoder is None:
        return Example(dec=target)
    if config.pictures is None:
        return Example(enc=rng.integers(3, 64, enc), dec=target)
    one = drawn(config.pictures, 1 + enc % 2, (enc + 1) // 2, seed)
    if target is not None and not config.cross:
        target = np.concatenate([np.full(len(one), config.image_token), target])
    return Example(enc=one.values, places=one.places, dec=target, prefix=0 if config.cross else len(one))


def run(network: torch.nn.Module, rows: list[list[Example]], **options) -> torch.Tensor:
    with torch.no_grad():
        return network.logits(network.eval()(place(collate(rows, pad=0, **options))))


@pytest.mark.parametrize("preset", PRESETS)
def test_every_weight_takes_part(preset: str) -> None:
    network = model(preset)
    batch = place(collate([[example(network.config, 0, 9, 7)]], pad=0))
    network.logits(network(batch)).square().sum().backward()
    assert torch.isfinite(tiny.gradients(network)).all()
    still = [name for name, p in network.named_parameters() if not p.grad.any() and not name.endswith("k.bias")]
    assert not still, still  # a bias of keys adds the same to all scores of a query


@pytest.mark.parametrize("preset", PRESETS)
def test_a_document_is_the_same_alone_first_last_and_padded(preset: str) -> None:
    network = model(preset)
    config = network.config
    one, other = example(config, 0, 9, 7), example(config, 1, 5, 11)
    size = len(one)
    alone = run(network, [[one]])[0]
    assert torch.allclose(run(network, [[one, other]])[0, :size], alone, atol=1e-5), "packed first"
    last = run(network, [[other, one]])[0]
    assert torch.allclose(last[len(other) : len(other) + size], alone, atol=1e-5), "packed last"
    padded = run(network, [[one], [example(config, 2, 20, 20)]], multiple=8)[0, :size]
    assert torch.allclose(padded, alone, atol=1e-5), "beside a longer row"


def moved(network: torch.nn.Module) -> None:
    """Alone, first or last in a packed row, and in the middle: a document's scores are the same."""
    config = network.config
    one, other, third = example(config, 0, 9, 7), example(config, 1, 5, 11), example(config, 2, 3, 6)
    rows = [[one], [one, other], [other, one], [third, one, other]]
    starts = [0, 0, len(other), len(third)]
    alone, *others = (run(network, [row])[0, at : at + len(one)] for row, at in zip(rows, starts, strict=True))
    for found in others:
        assert torch.allclose(found, alone, atol=1e-5)


@pytest.mark.parametrize("family", ["bert", "llama"])
@pytest.mark.parametrize("name", PATTERNS)
def test_a_document_is_the_same_wherever_it_stands_under_every_pattern(family: str, name: str) -> None:
    stack = "encoder" if family == "bert" else "decoder"
    shown = PATTERNS[name] if stack == "encoder" else causal(PATTERNS[name])
    moved(tiny.model(family, tree={stack: {"pattern": [dump(shown)]}}))


@pytest.mark.parametrize("family", ["bert", "llama", "t5"])
@pytest.mark.parametrize("kind", Position.kinds)
def test_a_document_is_the_same_wherever_it_stands_with_every_position(family: str, kind: str) -> None:
    stacks = {"bert": ["encoder"], "llama": ["decoder"], "t5": ["encoder", "decoder"]}[family]
    moved(tiny.model(family, tree={stack: {"position": [kind]} for stack in stacks}))


@pytest.mark.parametrize("preset", PRESETS)
def test_no_token_of_a_document_reaches_another(preset: str) -> None:
    """Changing every token of a packed document leaves the scores of the one beside it exactly as they are."""
    network = model(preset)
    config = network.config
    kept = example(config, 0, 9, 7)
    first, second = (run(network, [[example(config, seed, 6, 8), kept]])[0] for seed in (1, 2))
    size = len(example(config, 1, 6, 8))
    assert torch.equal(first[size:], second[size:]) and not torch.equal(first[:size], second[:size])


@pytest.mark.parametrize("preset", [name for name in PRESETS if tiny.model(name).config.decoder])
@pytest.mark.parametrize("length", [1, 2, 3, 4, 12])
def test_greedy_ids_with_a_cache_are_those_without(preset: str, length: int) -> None:
    """Around the window's edge too, and in a batch of several lengths."""
    network = model(preset).eval()
    config = network.config
    prompts = [list(range(3, 3 + n)) for n in (length, 5, 1)]
    sources = [[9, 10, 11], [12], [13, 14, 15, 16]] if config.encoder else None
    if config.pictures is not None:
        sources = [drawn(config.pictures, 1, 2), drawn(config.pictures, 3, 1), drawn(config.pictures, 2, 2)]
    if config.placeholder is not None:
        prompts = [[config.placeholder] * len(one) + prompt for one, prompt in zip(sources, prompts, strict=True)]
    found = generate(network, Request(prompts, max_new_tokens=8, sources=sources))
    for at, prompt in enumerate(prompts):
        ids, size = list(prompt), 0 if config.placeholder is None else len(prompt)
        given = {} if sources is None else {"enc": np.array(sources[at])} if config.pictures is None else {}
        if config.pictures is not None:
            given = {"enc": sources[at].values, "places": sources[at].places}
        for _ in range(8):
            scores = run(network, [[Example(**given, dec=np.array(ids), prefix=size)]])[0, -1]
            ids.append(int(scores[: config.placeholder].argmax()))
        assert found[at].ids == ids[len(prompt) :]


def test_a_tied_head_is_the_table_and_an_untied_one_is_not() -> None:
    for preset, tie in (("bert", True), ("t5-v1.1", False)):
        network = tiny.model(preset)
        assert (network.head.weight is network.tokens.weight) == tie == network.config.tie


@pytest.mark.parametrize("preset", ["bert", "llama", "t5"])
def test_padding_alone_gives_finite_states_and_zero_gradients(preset: str) -> None:
    network = model(preset)
    hidden = network(place(collate([[]], pad=0, length=8)))
    assert torch.isfinite(hidden).all()


def test_a_batch_without_what_is_read_is_our_own_mistake() -> None:
    with pytest.raises(AssertionError, match="the stream that the model reads"):
        tiny.model("llama")(place(collate([[Example(enc=np.array([1, 2]))]], pad=0)))


def test_the_core_reads_in_under_430_lines() -> None:
    assert sum(len((MODEL / f"{name}.py").read_text().splitlines()) for name in CORE) < 430


def test_no_class_and_no_condition_names_a_family() -> None:
    """Presets name them, and docstrings: what is computed never depends on a name."""
    names = {part for preset in PRESETS for part in re.split(r"[^a-z]+", preset) if len(part) > 1} | {"gpt", "gemma"}
    names -= {"llama", "vision", "model"}  # llama3 is a way of stretching RoPE; the others are parts of a stock name
    for path in MODEL.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                assert not any(name in node.name.lower() for name in names), f"{path.name}: class {node.name}"
            elif isinstance(node, ast.If | ast.IfExp | ast.Match | ast.While):
                subject = node.subject if isinstance(node, ast.Match) else node.test
                words = {str(part.value).lower() for part in ast.walk(subject) if isinstance(part, ast.Constant)}
                assert not words & (names | set(PRESETS)), f"{path.name}, line {node.lineno}"


@pytest.mark.parametrize("position", ["learned", "sinusoid2d", "rope2d", "rope", "none"])
def test_pictures_of_other_shapes_in_one_batch_are_each_as_alone(position: str) -> None:
    """Packed in a row, and in rows of one length that need no mask."""
    network = tiny.model("vit", tree={"encoder": {"position": [position], "embed": {"class_token": False}}})
    some = [drawn(network.config.pictures, *shape, seed=n) for n, shape in enumerate([(2, 3), (3, 2), (1, 6)])]
    examples = [Example(enc=one.values, places=one.places) for one in some]
    alone = [run(network, [[one]])[0] for one in examples]
    assert torch.allclose(run(network, [examples])[0], torch.cat(alone), atol=1e-5)
    rows = run(network, [[one] for one in examples])
    assert all(torch.allclose(row, one, atol=1e-5) for row, one in zip(rows, alone, strict=True))
    swapped = run(network, [[Example(enc=some[0].values, places=some[1].places)]])[0]
    assert torch.allclose(swapped, alone[0], atol=1e-5) == (position in ("rope", "none")), "places matter"
