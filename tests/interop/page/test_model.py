"""The JavaScript of a page computes what the model computes: every preset, every kind that it knows."""

import inspect
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import torch

import shown
import small
import tiny
import trivium
from tolerance import close
from trivium.base.errors import ModelError
from trivium.interop.page import model as page
from trivium.lab.attention import CROSS, look
from trivium.model.attention import pattern, sparse
from trivium.model.config import configure
from trivium.model.layer import ffn, norm, position, residual, scaling
from trivium.token.tokenizer import Tokenizer

READ = """(() => {
  if (plan.encoder) reader.readSource(given[0], given[1]);
  if (plan.decoder) for (const end of [3, 9, given[2].length]) reader.read(given[2].slice(0, end));
  return reader.states.map((_, at) => [...reader.scores(at)]);
})()"""
WATCH = """(() => {
  const found = reader.prompt([text, ""], "abc", false), all = {};
  reader.readSource(found.source, found.types);
  if (plan.decoder) for (const end of [2, found.ids.length]) reader.read(found.ids.slice(0, end));
  for (const { name, watch } of [reader.encoder, reader.decoder].filter((one) => one)) {
    all[name] = watch.norms;
    for (const row of watch.weights) for (const [part, { weight, S }] of Object.entries(row))
      (all[part] ??= []).push([S, [...weight]]);
  }
  return all;
})()"""
IDS = [1, 260, 300, 281, 290, 260, 2, 371, 144, 200, 199, 183, 260, 333, 320, 310, 305, 260, 270, 280]
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "grouped": ("llama", {"heads": 4, "kv_heads": 2, "bias": True, "head_size": 12, "score_decay": True}),
    "alibi": ("llama", {"position": "alibi", "heads": 3, "head_size": 8, "residual": "parallel", "ffn": "relu2"}),
    "sinusoid": ("bart", {"position": "sinusoid", "ffn": {"kind": "glu", "activation": "tanh"}}),
    "m2m100": ("mbart", {"position": {"kind": "m2m100", "offset": 2}}),
    "yarn": (
        "llama",
        {"position": {"kind": "rope", "scaling": {"kind": "yarn", "original_context": 16}, "fraction": 0.5}},
    ),
    "linear": ("qwen3", {"position": {"kind": "rope", "scaling": "linear"}, "softcap": 3.0}),
    "dilated": ("llama", {"pattern": {"kind": "and", "of": ["causal", {"kind": "dilated", "size": 3, "step": 2}]}}),
    "global": ("bert", {"pattern": {"kind": "or", "of": [{"kind": "window", "size": 2, "both": True}, "global"]}}),
    "block": ("bert", {"pattern": [{"kind": "block", "size": 4}, "full"], "qk_norm": "layer"}),
    "strided": ("gpt2", {"pattern": [{"kind": "strided", "stride": 4}, {"kind": "fixed", "stride": 4, "summary": 2}]}),
    "bare": ("llama", {"position": "none", "norm": "none", "pattern": {"kind": "window", "size": 5}}),
}
"""What no preset has."""


def some(every: Iterable[str], fast: str) -> list[Any]:
    """Names as parameters of a test: all but a few are slow."""
    return [one if one in fast.split() else pytest.param(one, marks=pytest.mark.slow) for one in every]


def made(preset: str, **fields: Any) -> trivium.Model:
    """A random model of two layers in which nothing is a default."""
    sizes = {"vocab_size": 384, "context": 64, "layers": 2, "hidden_size": 32, "heads": 2, **fields}
    torch.manual_seed(0)
    built = small.noisy(trivium.build(preset, **sizes), 0.1)
    return trivium.Model(built.transformer, Tokenizer.bytes(), start=0)


def same(model: trivium.Model, file: Path) -> None:
    """Compare the scores of each place, read at once, with those of a page, read in pieces."""
    shown.exported(model, file)
    shown.rounded(model)
    enc, dec = (IDS, IDS[4:]) if model.config.family == "encoder_decoder" else (IDS, IDS)
    types = [0] * 8 + [1] * 12 if getattr(model.config.embed, "types", 0) > 1 else [0] * 20
    sides: dict[str, Any] = {"input_ids": [enc if model.config.encoder else dec]}
    if model.config.family == "encoder_decoder":
        sides["decoder_input_ids"] = [dec]
    if getattr(model.config.embed, "types", 0):
        sides["token_type_ids"] = [types]
    found = torch.tensor(shown.node(file, READ, given=[enc, types, dec]))
    assert close(found, model.logits(**sides)[0]), float((found - model.logits(**sides)[0]).abs().max())


@pytest.mark.parametrize("preset", some(tiny.TEXTS, "llama gpt2 bert t5"))
def test_a_page_computes_each_preset(preset: str, tmp_path: Path) -> None:
    same(made(preset), tmp_path / "a.html")


@pytest.mark.parametrize("name", some(CASES, "grouped"))
def test_a_page_computes_what_no_preset_has(name: str, tmp_path: Path) -> None:
    preset, fields = CASES[name]
    same(made(preset, **fields), tmp_path / "a.html")


def test_each_kind_that_is_known_was_compared() -> None:
    configs = [configure(preset, vocab_size=384, **fields) for preset, fields in CASES.values()]
    configs += [configure(preset) for preset in tiny.TEXTS]
    parts = {
        type(one)
        for config in configs
        for value in (config.embed, config.head, *config.stacks.values())
        for _, one in page._choices("", value)
    }
    labelled = {kind for kind in page.KNOWN if kind.__name__.endswith("Classification")}  # in test_labels
    assert page.KNOWN - parts == labelled
    rooms = (norm, ffn, position, scaling, pattern, sparse, residual)
    every = {one for room in rooms for _, one in inspect.getmembers(room, inspect.isclass) if hasattr(one, "kind")}
    refused = {"prefix", "inside", "random", "dynamic", "longrope"}
    assert {one.kind for one in every - page.KNOWN if "kind" in vars(one) and one.kind} <= refused


@pytest.mark.parametrize("preset", some(("bart", "llama", "t5", "bert"), "bart"))
def test_a_page_shows_the_weights_of_heads_and_the_stream(preset: str, tmp_path: Path) -> None:
    model, text = made(preset), "What is it?"
    file = shown.exported(model, tmp_path / "a.html")
    shown.rounded(model)
    streams: dict[str, list[list[float]]] = {}
    for name in model.config.stacks:
        for block in getattr(model.transformer, name).blocks:

            def keep(_: Any, given: Any, out: torch.Tensor, name: str = name) -> None:
                rows = streams.setdefault(name, [given[0][0].norm(dim=-1).tolist()])
                rows.append(out[0].norm(dim=-1).tolist())

            block.register_forward_hook(keep)
    maps = look(model, text, "abc")
    found = shown.node(file, WATCH, text=text)
    for one in maps:
        stack, layer = one.name.removesuffix(CROSS).split(", layer ")
        rows = found.pop(f"{stack}.{int(layer) - 1}.{'cross' if one.crosses else 'attention'}")
        assert len(rows) == one.weight.shape[1]
        for place, (seen, weight) in enumerate(rows):
            heads = torch.tensor(weight, dtype=torch.float32).view(-1, seen)
            assert torch.allclose(heads, one.weight[:, place, :seen], atol=1e-5), (one.name, place)
            assert not one.weight[:, place, seen:].any()
    for name, rows in streams.items():
        assert torch.allclose(torch.tensor(found.pop(name)), torch.tensor(rows).t(), rtol=1e-4), name
    assert not found


@pytest.mark.parametrize("part", ["encoder.0.attention.1", "decoder.1.cross.0", "decoder.0.attention.1"])
def test_a_head_that_is_off_gives_nothing(part: str, tmp_path: Path) -> None:
    model = made("bart")
    file = shown.exported(model, tmp_path / "a.html")
    before = shown.rounded(model).logits([IDS], decoder_input_ids=[IDS[4:]])[0]
    stack, layer, kind, head = part.split(".")
    matrix = getattr(getattr(model.transformer, stack).blocks[int(layer)], kind).o.weight
    with torch.no_grad():
        matrix[:, int(head) * 16 : int(head) * 16 + 16] = 0
    wanted = model.logits([IDS], decoder_input_ids=[IDS[4:]])[0]
    script = f"(reader.off.add({part!r}), {READ})"
    assert close(torch.tensor(shown.node(file, script, given=[IDS, [0] * 20, IDS[4:]])), wanted)
    assert not close(before, wanted)


REFUSED: dict[str, tuple[str, dict[str, Any]]] = {
    "decoder.pattern: a page computes no pattern 'prefix'": ("llama", {"pattern": "prefix"}),
    "decoder.pattern.of: a page computes no pattern 'random'": (
        "llama",
        {"pattern": {"kind": "and", "of": ["causal", "random"]}},
    ),
    "decoder.position.scaling: a page computes no scaling 'dynamic'": (
        "llama",
        {"position": {"kind": "rope", "scaling": "dynamic"}},
    ),
    "head: a page computes no head 'none'": ("bert", {"head": "none"}),
    "encoder.embed: a page reads texts": ("vit", {}),
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_a_page_does_not_compute_is_refused_by_name(why: str) -> None:
    preset, fields = REFUSED[why]
    with pytest.raises(ModelError, match=why):
        page.check(configure(preset, **fields))
